from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chassis.mail.addresses import Address, Mailbox
from chassis.mail.message import UnsafeHeader, compose
from chassis.mail.templates import Content

ID = UUID("0193fd12-7c40-7a3b-9a51-2f1c6d0e8b77")
SENDER = Mailbox("NeoForge", Address.parse("no-reply@example.test"))
INES = Address.parse("ines@example.test")
FIELDS = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Language",
    "MIME-Version",
    "Content-Type",
}

ADVERSARIAL = st.sampled_from(
    [
        *'",<>@()[]:;\\.= ?_%',
        *"a0é\u3000\u00a0\u202e\u2028",
        *("=?utf-8?q?a?=", "=?utf-8?b?QQ==?=", "محمد", "👩\u200d💻", "long" * 9, "Bcc: x@y.z", "<mara@example.test>"),
    ]
)
NAMES = st.one_of(
    st.lists(ADVERSARIAL, max_size=14).map("".join),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=120),
).map(lambda name: " ".join(name.split()))
CONTROLS = st.characters(categories=["Cc"])


def composed(
    *,
    name: str = "Ines",
    subject: str = "Hello",
    text: str = "Hello",
    html: str = "<p>Hello</p>",
    to: Address = INES,
    unsubscribe: str | None = None,
) -> bytes:
    return compose(
        sender=SENDER,
        to=Mailbox(name, to),
        content=Content("en", subject, text, html),
        message_id=ID,
        date=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
        unsubscribe=unsubscribe,
    ).as_bytes()


def read(source: bytes) -> EmailMessage:
    message = message_from_bytes(source, policy=policy.SMTPUTF8)
    assert isinstance(message, EmailMessage)
    return message


def name_in(source: bytes) -> str:
    """The decoded name in To; the newer parser of some versions leaves a blank between two encoded words of a name."""
    to = message_from_bytes(source, policy=policy.compat32)["To"]
    return str(make_header(decode_header(to))).removesuffix("<ines@example.test>").strip()


@given(NAMES, NAMES)
@example("Doe, Jane " + "x" * 80, "a, b")
@example('" <mara@example.test>, "' + "x" * 80, "s")
def test_whatever_a_name_or_subject_holds_there_is_one_recipient_and_no_other_header(name: str, subject: str) -> None:
    source = composed(name=name, subject=subject)
    message = read(source)
    assert set(message.keys()) == FIELDS
    assert [str(address.addr_spec) for address in message["To"].addresses] == ["ines@example.test"]
    assert name_in(source) == name
    assert message["Subject"] == subject
    assert max(map(len, source.split(b"\r\n"))) <= 78
    source.decode("ascii")


@given(st.text(max_size=20), CONTROLS, st.text(max_size=20))
def test_a_control_character_in_a_name_or_subject_is_refused(before: str, control: str, after: str) -> None:
    value = f"a{before}{control}{after}z"
    with pytest.raises(UnsafeHeader):
        composed(name=value)
    with pytest.raises(UnsafeHeader):
        composed(subject=value)


@pytest.mark.parametrize("value", ["a\r\nBcc: mara@example.test", "a\nb", "a\rb", "a\0b", "a\ud800b"])
def test_line_breaks_nul_and_lone_surrogates_are_refused_wherever_they_would_stand_in_a_header(value: str) -> None:
    with pytest.raises(UnsafeHeader):
        composed(name=value)
    with pytest.raises(UnsafeHeader):
        composed(subject=value)
    with pytest.raises(UnsafeHeader):
        composed(to=Address(value, "example.test"))
    with pytest.raises(UnsafeHeader):
        composed(unsubscribe=f"https://example.test/{value}")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_the_body_can_hold_any_text_and_stays_the_body(text: str) -> None:
    message = read(composed(text=text + "\n.\r\nSubject: other\n", html=f"<p>{text}</p>"))
    assert set(message.keys()) == FIELDS
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert "Subject: other" in message.get_body(("plain",)).get_content()  # type: ignore[union-attr] # it is there


def test_text_comes_as_it_was_written_in_any_script() -> None:
    text = "Grüße, أحمد! مرحبًا بك\n👩\u200d💻 " + "a" * 2_000 + "\n.\n"
    message = read(composed(text=text, html=f"<p>{text}</p>"))
    plain = message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r\n", "\n") == text


def test_the_same_message_is_composed_to_the_same_bytes() -> None:
    assert composed(name="أحمد", subject="🚀") == composed(name="أحمد", subject="🚀")
    message = read(composed())
    assert message["Message-ID"] == f"<{ID}@example.test>"
    assert message["Date"] == "Mon, 02 Nov 2026 09:30:00 +0000"


def test_a_machine_sent_it_and_says_so() -> None:
    assert read(composed())["Auto-Submitted"] == "auto-generated"


def test_a_mail_of_a_list_can_be_ended_by_one_click_and_another_says_nothing_of_it() -> None:
    of_list = read(composed(unsubscribe="https://example.test/leave?token=abc"))
    assert of_list["List-Unsubscribe"] == "<https://example.test/leave?token=abc>"
    assert of_list["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert read(composed(unsubscribe="http://localhost:8080/leave"))["List-Unsubscribe-Post"] is None
    assert read(composed())["List-Unsubscribe"] is None


def test_an_address_beyond_ascii_stands_in_the_header_as_it_is() -> None:
    source = composed(to=Address.parse("用户@例え.jp"), name="محمد")
    to = next(line for line in source.split(b"\r\n") if b"xn--" in line)
    assert "用户@xn--r8jz45g.jp" in to.decode()


def test_a_long_address_stays_whole() -> None:
    address = Address.parse("a" * 64 + "@" + ".".join(["b" * 60] * 2) + ".test")
    assert read(composed(to=address, name="Some Body"))["To"].addresses[0].addr_spec == str(address)
