"""What the log filter hides and what it leaves, one text at a time."""

import pytest
from pydantic import BaseModel, ValidationError

from chassis.redaction import redact, redact_value

SECRET = "hunter2-Zq8"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"token":"a"}} &quot;password&quot;:&quot;{SECRET}&quot;',
        f"password=a\nx %70assword%3D{SECRET}",
        f"password=a\n%2570assword%253D{SECRET}",
        f'token="{{\'password\': "{SECRET}"}}',
        f'{{"grant_type":"password","password":"{SECRET}"}}',
        f'{{"grant_type":"authorization_code","code":"{SECRET}"}}',
        f"https://db.example:5432/cb?password=p@{SECRET}",
        f"password%3Da%0A{SECRET}",
        f"grant_type=authorization_code&code={SECRET}&state=x",
        "code=123456",
        '{"code": 123456}',
        "?code=SplxlOBeZQQYbYS6WxSbIA",
        f"Cookie: a=1;\r\n\tsession={SECRET}",
        f"curl --password \\\n  {SECRET}",
        f"code_verifier={SECRET}",
        f"ALTER ROLE projects PASSWORD 'a''{SECRET}'",
        f"ALTER ROLE projects PASSWORD 'a''''{SECRET}' VALID UNTIL 'x'",
        f"BASIC basic {SECRET}",
        f"pw={SECRET}",
        "passcode: 12345678",
        "otp 'x'; otp=12345678",
        f"Authorization: DPoP {SECRET}",
        f"DPoP {SECRET}",
        "otpauth://totp/NeoForge?secret=JBSWY3DPEHPK3PXP",
    ],
)
def test_what_hides_behind_something_else_is_found(text: str) -> None:
    for held in (SECRET, "123456", "Splxl", "JBSWY3DP"):
        assert held not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "/neoforge.projects.v1.ProjectsService/GetProject ended: code=OK",
        '{"code": "NOT_FOUND", "reason": "SLUG_TAKEN"}',
        "code=StatusCode.UNAVAILABLE details='failed to connect to all addresses'",
        "code = <StatusCode.DEADLINE_EXCEEDED: (4, 'deadline exceeded')>",
        "ended with exit code 3; code: 404, code=-9",
        '{"error": {"code": "too_short"}, "status_code": 503}',
        "session=018f0000-0000-7000-8000-000000000001 has ended",
        "the session, once begun, ends; the code: it is known",
        "sessions=12 codes=7",
        "pinned, passed and authored by others",
        "country_code=4912345 zip_code=123456",
    ],
)
def test_a_status_an_id_or_a_word_is_no_secret(text: str) -> None:
    assert redact(text) == text


def test_of_fields_named_code_and_session_only_what_may_let_somebody_in_is_hidden() -> None:
    told = {"code": "UNAVAILABLE", "session": "018f0000-0000-7000-8000-000000000001", "status_code": 404}
    assert redact_value(told) == told
    assert redact_value({"code": 404}) == {"code": 404}
    for name, value in (("code", 123456), ("code", "abcd-efgh"), ("session", SECRET), ("codes", ["ab", "cd"])):
        assert redact_value({name: value}) == {name: "[redacted]"}
    assert redact_value(["psql", "--code", SECRET, "x"]) == ["psql", "--code", "[redacted]", "x"]


def test_what_stands_behind_a_code_is_still_told() -> None:
    assert redact("code=SplxlOBe status=302") == "code=[redacted] status=302"


class Login(BaseModel):
    email: str
    password: int


def test_pydantics_errors_tell_what_is_wrong_and_not_with_what() -> None:
    with pytest.raises(ValidationError) as refused:
        Login.model_validate({"email": 3, "password": SECRET})
    said = redact(str(refused.value))
    assert SECRET not in said
    assert "password\n  Input should be a valid integer" in said
    assert "input_type=str" in said
    assert SECRET not in redact(repr(refused.value.errors()))
    assert SECRET not in repr(redact_value(refused.value.errors()))
    with pytest.raises(ValidationError) as torn:
        Login.model_validate([{"email": "ines.of.somewhere@example.com", "passphrase": SECRET}])
    assert SECRET[-4:] not in redact(str(torn.value))


def test_a_text_that_is_made_to_take_long_takes_no_longer_than_its_length() -> None:
    for text in (
        "a://b:" * 30_000,
        "password: |\n " * 15_000,
        'token\\"x' * 20_000,
        "<password a='b'" * 14_000,
        '"password"\r\n\r\n' * 12_000,
        "input_value=" * 16_000,
        "'loc' " * 20_000,
        "basic+" * 30_000,
    ):
        redact(text)
