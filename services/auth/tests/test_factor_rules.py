"""What a second factor is made of: codes, addresses for apps, mails, and where passkeys belong."""

from datetime import UTC, datetime
from typing import Any

import pyotp
import pytest

from auth.factors.model import step_of, uri_of
from auth.settings import Settings
from chassis.mail.templates import Templates


def test_codes_are_those_of_rfc_6238_and_good_one_step_around_the_present() -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # appendix B
    assert step_of(secret, "287082", datetime.fromtimestamp(59, UTC)) == 1
    assert step_of(secret, " 081 804 ", datetime.fromtimestamp(1111111109, UTC)) == 37037036
    for steps, good in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        code = pyotp.HOTP(secret).at(1000 + steps)
        assert (step_of(secret, code, datetime.fromtimestamp(30_000, UTC)) == 1000 + steps) is good
    for rubbish in ("", "28708", "2870822", "٢٨٧٠٨٢", "28708x"):
        assert step_of(secret, rubbish, datetime.fromtimestamp(59, UTC)) is None


@pytest.mark.parametrize("issuer", ["NeoForge", "Forge: Büro & Co", "Forge Büro", "a+b %41 ü/?#", "東京"])
@pytest.mark.parametrize("account", ["ines+test@example.test", '"a:b c"@example.test', "用户@例え.jp"])
def test_an_app_reads_issuer_and_account_as_they_were_meant(issuer: str, account: str) -> None:
    secret = pyotp.random_base32()
    uri = uri_of(secret, issuer, account)
    found = pyotp.parse_uri(uri)
    assert isinstance(found, pyotp.TOTP)
    assert (found.secret, found.issuer) == (secret, issuer)
    assert found.name == account
    assert "+" not in uri
    assert found.verify(pyotp.TOTP(secret).now())


@pytest.mark.parametrize(
    "template",
    [
        "second_factor_on",
        "second_factor_off",
        "second_factor_refused",
        "recovery_code_used",
        "recovery_codes_renewed",
        "passkey_added",
        "passkey_removed",
        "passkey_copied",
    ],
)
def test_each_mail_says_when_it_happened(template: str) -> None:
    content = Templates("auth").render(template, "en", {"at": "2026-01-01 10:00 UTC", "name": "Phone", "left": 9})
    for text in (content.text, content.html):
        assert "2026-01-01 10:00 UTC" in text


@pytest.mark.parametrize("reset", [False, True])
def test_the_mail_about_a_changed_password_names_what_goes_on(reset: bool) -> None:
    context = {"at": "2026-01-01 10:00 UTC", "reset": reset, "access_tokens": 2, "passkeys": ["Phone", "<b>Key</b>"]}
    content = Templates("auth").render("password_changed", "en", context)
    for text in (content.text, content.html):
        assert "2 of your personal access tokens go on" in text
        assert "Phone" in text
        assert ("by a mailed code" in text) == reset
    assert "<b>" not in content.html.partition("These passkeys")[2]
    bare = Templates("auth").render("password_changed", "en", {**context, "access_tokens": 0, "passkeys": []})
    assert "go on" not in bare.text
    assert "passkey" not in bare.text


def test_passkeys_stay_within_one_domain_and_production_has_them_on_https_alone(settings: Settings) -> None:
    told = settings.model_dump()

    def with_(**changes: Any) -> Settings:
        return Settings.model_validate(told | changes)

    assert with_().relying_party == ("forge.example.test", ("https://forge.example.test",))
    wide = with_(passkey_domain="example.test", passkey_origins="https://a.example.test,https://b.example.test")
    assert wide.relying_party == ("example.test", ("https://a.example.test", "https://b.example.test"))
    for bad in (
        {"passkey_domain": "other.test"},
        {"passkey_origins": "https://evil.test"},
        {"passkey_origins": "https://forge.example.test/path"},
        {"token_issuer": "forge"},
        {"environment": "production", "passkey_origins": "http://forge.example.test"},
    ):
        with pytest.raises(ValueError, match=r"must"):
            with_(**bad)
