"""The SMTP side (RFC 5321) with STARTTLS (RFC 3207), SMTPUTF8 (RFC 6531) and refusals that a test can ask for."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

if TYPE_CHECKING:
    from pathlib import Path

    from devstack.mailcatcher.store import Store

LARGEST_MAIL = 25 * 1024 * 1024
_PERMANENT = re.compile(r"permanent-refusal\b.*@", re.IGNORECASE)
_TEMPORARY = re.compile(r"temporary-refusal(?:\+(\d+))?@", re.IGNORECASE)


class Handler:
    """Keeps what comes.

    permanent-refusal@... is always refused for good (550), temporary-refusal@... always for now (451), and
    temporary-refusal+2@... two times for now and then taken.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._refused: Counter[str] = Counter()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name for the hook
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or refuse it where its name asks for that."""
        del server, session
        if _PERMANENT.match(address):
            return "550 5.1.1 There is no such mailbox"
        temporary = _TEMPORARY.match(address)
        if temporary and (temporary[1] is None or self._refused[address] < int(temporary[1])):
            self._refused[address] += 1
            return "451 4.3.0 Try again later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Keep a mail; the answer comes once it is on disk."""
        del server, session
        content = envelope.content
        assert isinstance(content, bytes)  # noqa: S101 - decode_data is off
        received_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        mail_id = self._store.add(content, envelope.mail_from or "", list(envelope.rcpt_tos), received_at)
        return f"250 2.0.0 Kept as {mail_id}"


def _anyone(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """Every login is right: a catcher guards nothing, and clients with a password can be tried."""
    del server, session, envelope, mechanism, data
    return AuthResult(success=True)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The PEM files of the server's side of TLS."""

    chain: Path
    key: Path


def tls_context(certificate: Certificate) -> ssl.SSLContext:
    """Make the server's side of TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


class _Conversation(SMTP):
    """One connection, which counts itself among the open ones."""

    def __init__(self, handler: Handler, conversations: set[_Conversation], **options: Any) -> None:
        super().__init__(handler, **options)
        self._conversations = conversations

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._conversations.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._conversations.discard(self)


class Listener:
    """Takes mails on a port; `port` is the real one where 0 was asked for."""

    def __init__(self, store: Store, tls: ssl.SSLContext | None, *, smtputf8: bool) -> None:
        self.port = 0
        self._handler = Handler(store)
        self._tls, self._smtputf8 = tls, smtputf8
        self._conversations: set[_Conversation] = set()

    async def start(self, host: str, port: int) -> None:
        """Open the port.

        Raises:
            OSError: it is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._conversation, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _conversation(self) -> SMTP:
        return _Conversation(
            self._handler,
            self._conversations,
            data_size_limit=LARGEST_MAIL,
            enable_SMTPUTF8=self._smtputf8,
            hostname="mailcatcher.localhost",
            ident="NeoForge mail catcher",
            tls_context=self._tls,
            authenticator=_anyone,
            timeout=60,
            loop=asyncio.get_running_loop(),
        )

    async def stop(self) -> None:
        """Close the port and what is open on it."""
        self._server.close()
        while self._conversations:
            for conversation in self._conversations:
                if conversation.transport is not None:
                    conversation.transport.close()
            await asyncio.sleep(0)
