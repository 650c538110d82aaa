import base64

from hypothesis import example, given
from hypothesis import strategies as st

from chassis.signed_links import SignedLinks

SECRET = "a-secret-0123456789-0123456789-abcdef"
LINKS = SignedLinks(SECRET, "https://forge.example.test/t/{token}?from=mail", "test 1")


@given(st.binary(max_size=40))
def test_a_token_says_what_was_signed(content: bytes) -> None:
    assert LINKS.read(LINKS.token(content)) == content


def test_a_link_has_the_token_in_its_place_and_nothing_that_an_address_cannot_have() -> None:
    token = LINKS.token(b"\xff" * 16)
    assert LINKS.link(b"\xff" * 16) == f"https://forge.example.test/t/{token}?from=mail"
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@given(st.text(max_size=60))
@example("=" * 10)
@example("a" * 100_000)
@example("ä")
def test_no_other_text_is_a_token(text: str) -> None:
    assert LINKS.read(text) is None


def test_another_secret_another_purpose_or_another_spelling_is_no_token() -> None:
    token = LINKS.token(b"content")
    for other in (SignedLinks("b" + SECRET, "{token}", "test 1"), SignedLinks(SECRET, "{token}", "test 2")):
        assert other.read(token) is None
        assert LINKS.read(other.token(b"content")) is None
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for position in range(len(raw)):
        changed = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        assert LINKS.read(base64.urlsafe_b64encode(changed).decode().rstrip("=")) is None
    for spelled in (token + "=", token + "A", token[:-1], token + "\n", token[:-1] + chr(ord(token[-1]) + 1)):
        assert LINKS.read(spelled) is None
