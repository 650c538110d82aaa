"""Reads a caught mail for people and tests: its head, its texts, its attachments."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message, MIMEPart

_FOLD = re.compile(r"\r?\n(?=[ \t])")
_CID = re.compile(r"""cid:([^\s"'()<>]+)""", re.IGNORECASE)
_BASE = '<base target="_blank">'
"""Links open in a tab of their own: the frame that shows the mail may not go anywhere."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list shows of a mail."""

    message_id: str
    subject: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is neither the text nor the HTML."""

    name: str
    media_type: str
    content: bytes


def summary(source: bytes) -> Summary:
    """Read the head alone."""
    fields = {
        name.lower(): value for name, value in headers(BytesHeaderParser(policy=policy.SMTPUTF8).parsebytes(source))
    }
    return Summary(fields.get("message-id", ""), fields.get("subject", ""))


def parse(source: bytes) -> EmailMessage:
    """Read a whole mail; whatever came can be read."""
    message = message_from_bytes(source, policy=policy.SMTPUTF8)
    assert isinstance(message, EmailMessage)  # noqa: S101 - the policy's own factory
    return message


def headers(message: Message) -> list[tuple[str, str]]:
    """Give all fields in order, unfolded and decoded."""
    return [(name, _decoded(str(value))) for name, value in message.raw_items()]


def text(message: EmailMessage) -> str | None:
    """Give the plain text, or None."""
    return _content(message.get_body(("plain",)))


def html(message: EmailMessage) -> str | None:
    """Give the HTML as it was sent, or None."""
    return _content(message.get_body(("html",)))


def shown_html(message: EmailMessage) -> str | None:
    """Give the HTML for the frame: images that came with the mail stand in it, since nothing may be loaded."""
    found = html(message)
    if found is None:
        return None
    related = {part["Content-ID"].strip("<> "): part for part in message.walk() if part["Content-ID"]}

    def inline(match: re.Match[str]) -> str:
        part = related.get(match[1])
        if part is None:
            return match[0]
        payload = part.get_payload(decode=True)
        content = base64.b64encode(payload if isinstance(payload, bytes) else b"").decode()
        return f"data:{part.get_content_type()};base64,{content}"

    return _BASE + _CID.sub(inline, found)


def attachments(message: EmailMessage) -> list[Attachment]:
    """Give the parts that are neither the text nor the HTML, those shown inside the HTML included."""
    bodies = [message.get_body(("plain",)), message.get_body(("html",))]
    found: list[Attachment] = []
    for part in message.walk():
        if part.is_multipart() or any(part is body for body in bodies):
            continue
        payload = part.get_payload(decode=True)
        name = part.get_filename() or f"part-{len(found) + 1}"
        found.append(Attachment(_clean(name), part.get_content_type(), payload if isinstance(payload, bytes) else b""))
    return found


def _decoded(raw: str) -> str:
    # By the older decoder: the newer one leaves a blank between two encoded words of a name in some versions.
    value = _FOLD.sub("", _clean(raw))
    try:
        return "".join(
            part if isinstance(part, str) else part.decode(charset or "raw-unicode-escape")
            for part, charset in decode_header(value)
        )
    except (HeaderParseError, LookupError, UnicodeError):  # an encoding that nobody knows
        return value


def _content(part: MIMEPart | None) -> str | None:
    if part is None:
        return None
    try:
        return _clean(str(part.get_content()))
    except (KeyError, LookupError, ValueError):  # a charset or encoding that nobody knows
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _clean(value: str) -> str:
    """Make a text that JSON and SQLite can hold: bytes that are no UTF-8 come as lone surrogates."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
