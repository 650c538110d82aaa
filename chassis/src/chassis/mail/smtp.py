"""Hands mails to a mail server (RFC 5321), one connection each, and gives what it says a name."""

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import SpanKind

from chassis import telemetry
from chassis.mail.addresses import Address
from chassis.telemetry import tracer

if TYPE_CHECKING:
    import aiosmtplib

_ENHANCED: Final = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_NO_SUCH_MAILBOX: Final = frozenset({(1, 0), (1, 1), (1, 2), (1, 3), (1, 6), (1, 10), (2, 1)})
"""Subject and detail of the enhanced status codes (RFC 3463, RFC 7505) by which an address is no good. Others, such as
5.7.1 (policy) and 5.2.2 (mailbox full), say something about this server, this mail or this day."""
_NO_SUCH_MAILBOX_PLAIN: Final = frozenset({550, 551, 553})
"""The reply codes (RFC 5321, section 4.2.3) that say so where there is no enhanced one."""
_LONGEST_REPLY: Final = 500


class TemporaryFailure(ConnectionError):
    """The mail was not taken now, and may be later; this includes whatever an operator can set right."""


class AddressRefused(Exception):
    """There is no such mailbox, for good; `code` is the reply code."""

    def __init__(self, code: int, reply: str) -> None:
        super().__init__(reply)
        self.code = code


class MailRefused(Exception):
    """The server will never take this mail, for a reason that does not lie with the address."""


@dataclass(frozen=True)
class Server:
    """A mail server, how to speak to it, and how long a delivery may take."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    implicit_tls: bool
    starttls: bool
    context: ssl.SSLContext = field(repr=False)
    timeout_s: float


async def deliver(server: Server, message: EmailMessage, *, sender: Address, to: Address) -> None:
    """Hand a mail over; returns once the server has taken the responsibility for it.

    Raises:
        TemporaryFailure, AddressRefused, MailRefused: it has not.
    """
    with tracer.start_as_current_span(
        f"send {server.host}:{server.port}",
        kind=SpanKind.CLIENT,
        attributes={
            "messaging.system": "smtp",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "server.address": server.host,
            "server.port": server.port,
            "network.protocol.name": "smtp",
            "messaging.message.id": str(message["Message-ID"]),
        },
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            await _deliver(server, message, sender, to)
        except (TemporaryFailure, AddressRefused, MailRefused) as failure:
            telemetry.fail(span, type(failure).__name__, str(failure))
            raise


async def _deliver(server: Server, message: EmailMessage, sender: Address, to: Address) -> None:
    # Imported here, since only workers send, and a server should not carry the memory.
    import aiosmtplib  # noqa: PLC0415

    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        use_tls=server.implicit_tls,
        start_tls=server.starttls,
        tls_context=server.context,
        local_hostname=sender.domain,
        timeout=server.timeout_s,
    )
    try:
        async with asyncio.timeout(server.timeout_s), client:
            await _hand_over(client, message, sender, to)
    except aiosmtplib.SMTPRecipientsRefused as refused:
        raise _refusal(refused.recipients[0].code, refused.recipients[0].message, of_address=True) from None
    except (aiosmtplib.SMTPDataError, aiosmtplib.SMTPSenderRefused) as refused:
        raise _refusal(refused.code, refused.message, of_address=False) from None
    except (aiosmtplib.SMTPException, OSError) as away:
        # The login, TLS and the connection itself: nothing that a mail could be blamed for.
        raise TemporaryFailure(_short(f"{type(away).__name__}: {away}")) from None


async def _hand_over(client: "aiosmtplib.SMTP", message: EmailMessage, sender: Address, to: Address) -> None:
    import aiosmtplib  # noqa: PLC0415 - as above

    utf8 = sender.needs_smtputf8 or to.needs_smtputf8
    options = ["SMTPUTF8"] if utf8 else []
    try:
        await client.sendmail(str(sender), [str(to)], message.as_bytes(), mail_options=options)
    except aiosmtplib.SMTPNotSupported:
        raise MailRefused("the mail server lacks SMTPUTF8 (RFC 6531), which the address needs") from None


def _refusal(code: int, reply: str, *, of_address: bool) -> Exception:
    said = _short(f"{code} {reply}")
    if code < 500:  # noqa: PLR2004 - 4yz are transient replies, RFC 5321, section 4.2.1
        return TemporaryFailure(said)
    enhanced = _ENHANCED.match(reply)
    no_mailbox = (
        (int(enhanced[2]), int(enhanced[3])) in _NO_SUCH_MAILBOX if enhanced else code in _NO_SUCH_MAILBOX_PLAIN
    )
    return AddressRefused(code, said) if of_address and no_mailbox else MailRefused(said)


def _short(reply: str) -> str:
    """One line, and no addresses: servers like to repeat them, and this ends up in logs."""
    return re.sub(r"\S+@\S+", "<address>", " ".join(reply.split()))[:_LONGEST_REPLY]
