"""Composes a mail (RFC 5322, MIME) so that no value can become a header, a recipient or a second mail.

The standard library's own folding of headers is not used: in several of its versions a long display name loses its
quotes, and what stood inside them becomes addresses. Whatever is not plain here goes out as encoded words (RFC 2047),
which hold nothing but letters, digits and a few signs.
"""

import re
import unicodedata
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from chassis.mail.addresses import Mailbox
from chassis.mail.templates import Content

_WIDTH: Final = 76
_PLAIN: Final = 50
"""Characters of a plain value that leave room for the name of its field in a line."""
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/^`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/^`{|}~-]+)*")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_URL: Final = re.compile(r"[\x21\x23-\x3b\x3d\x3f-\x7e]{1,900}")
"""What may stand between angle brackets, in a line that is not too long (RFC 5322, section 2.1.1)."""


class UnsafeHeader(ValueError):
    """A value that would stand in a header holds a line break or another control character."""


def compose(
    *,
    sender: Mailbox,
    to: Mailbox,
    content: Content,
    message_id: UUID,
    date: datetime,
    unsubscribe: str | None = None,
) -> EmailMessage:
    """Make the mail; the same arguments make the same bytes, so that a repeated delivery is recognisable.

    Args:
        sender: who sends it, with a domain of ours.
        to: the only recipient.
        content: subject, text and HTML.
        message_id: the outbox message's id, from which the Message-ID is made.
        date: when the cause happened.
        unsubscribe: a URL that takes the recipient off a list, by a POST if it is https (RFC 8058); for mails that they
            did not ask for one by one.

    Raises:
        UnsafeHeader: a value holds a line break or another control character.
    """
    utf8 = to.address.needs_smtputf8 or sender.address.needs_smtputf8
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit", refold_source="none", utf8=utf8))
    message.set_content(content.text)
    message.add_alternative(content.html, subtype="html")
    message.set_boundary(f"=_{message_id.hex}")  # "=_" can stand in no encoded part (RFC 2045, section 6.7)
    fields = {
        "From": _mailbox(sender),
        "To": _mailbox(to),
        "Subject": _unstructured(content.subject),
        "Date": format_datetime(date),
        "Message-ID": f"<{message_id}@{sender.address.domain}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: no holiday notes in answer
        "Content-Language": _checked(content.language),
    }
    if unsubscribe is not None:
        fields |= _list_unsubscribe(unsubscribe)
    for name, value in fields.items():
        message.set_raw(name, value)
    return message


def _list_unsubscribe(url: str) -> dict[str, str]:
    if not _URL.fullmatch(url) or urlsplit(url).scheme not in {"https", "http"}:
        raise UnsafeHeader("the URL to unsubscribe is none")
    fields = {"List-Unsubscribe": f"<{url}>"}
    if url.startswith("https:"):
        fields["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return fields


def _mailbox(mailbox: Mailbox) -> str:
    name, address = _checked(mailbox.name).strip(), _checked(str(mailbox.address))
    if not name:
        return f"<{address}>"
    if _ATOMS.fullmatch(name) and len(name) <= _PLAIN:
        return f"{name}\r\n <{address}>" if len(name) + len(address) > _WIDTH else f"{name} <{address}>"
    return f"{_encoded_words(name)}\r\n <{address}>"


def _unstructured(value: str) -> str:
    checked = _checked(value).strip()
    if _PRINTABLE.fullmatch(checked) and "=?" not in checked and len(checked) <= _PLAIN:
        return checked
    return _encoded_words(checked)


def _encoded_words(value: str) -> str:
    # The longest of the names of the fields that this is for.
    return Header(value, "utf-8", maxlinelen=_WIDTH, header_name="Subject").encode(linesep="\r\n")


def _checked(value: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise UnsafeHeader("a header may not hold line breaks or other control characters")
    return value
