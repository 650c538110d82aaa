import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.embedded.certificates import Authority
from chassis.mail import smtp
from chassis.mail.addresses import Address, Mailbox
from chassis.mail.message import compose
from chassis.mail.smtp import AddressRefused, MailRefused, Server, TemporaryFailure, deliver
from chassis.mail.templates import Content
from devstack.mailcatcher.catcher import Catcher
from devstack.mailcatcher.smtp import Certificate

SENDER = Mailbox("NeoForge", Address.parse("no-reply@example.test"))


def mail(to: str) -> EmailMessage:
    return compose(
        sender=SENDER,
        to=Mailbox("", Address.parse(to)),
        content=Content("en", "Hello", "Hello", "<p>Hello</p>"),
        message_id=uuid4(),
        date=datetime.now(UTC),
    )


def server_at(port: int, **changes: Any) -> Server:
    plain = Server("127.0.0.1", port, None, None, False, False, ssl.create_default_context(), 5.0)
    return replace(plain, **changes)


async def send(server: Server, to: str) -> None:
    await deliver(server, mail(to), sender=SENDER.address, to=Address.parse(to))


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that talks like this on the port that is given; every conversation ends before it does."""
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.add(asyncio.current_task())  # type: ignore[arg-type] # it runs in one
        await talk(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*conversations)


@asynccontextmanager
async def scripted(replies: dict[str, str]) -> AsyncIterator[Server]:
    """A mail server that answers each command with the reply for its beginning, 250 when there is none."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        in_data = False
        while line := (await reader.readline()).decode("utf-8", "replace"):
            command = line.upper()
            if in_data and command != ".\r\n":
                continue
            default = "354 go on" if command.startswith("DATA") else "250 fine"
            reply = next((text for start, text in replies.items() if command.startswith(start)), default)
            in_data = reply.startswith("354")
            writer.write(f"{reply}\r\n".encode())
            if command.startswith("QUIT"):
                return

    async with listening(talk) as port:
        yield server_at(port)


@pytest.fixture
def secured(catcher: Catcher, authority: Authority) -> Server:
    context = ssl.create_default_context(cafile=str(authority.issue("mail").authority))
    return server_at(catcher.smtp_port, starttls=True, context=context)


@pytest.mark.parametrize(
    "to",
    [
        "ines@example.test",
        "ines+tag@example.test",
        "o'brien@example.test",
        '"in es"@example.test',
        '"a@b"@example.test',
        "müller@example.test",
        "用户@例え.jp",
        "أحمد@example.test",
        "ines@bücher.example",
    ],
)
async def test_a_mail_reaches_the_address_that_it_is_for(catcher: Catcher, secured: Server, to: str) -> None:
    await send(secured, to)
    [caught] = catcher.store.list(to=to)
    assert caught.recipients == (str(Address.parse(to)),)


async def test_starttls_is_not_given_up_where_the_server_does_not_offer_it(tmp_path: Path, secured: Server) -> None:
    async with Catcher(tmp_path / "plain") as plain:
        with pytest.raises(TemporaryFailure):
            await send(replace(secured, port=plain.smtp_port), "ines@example.test")
        assert plain.store.list() == []


async def test_a_certificate_of_an_unknown_authority_is_not_believed(catcher: Catcher) -> None:
    with pytest.raises(TemporaryFailure):
        await send(server_at(catcher.smtp_port, starttls=True), "ines@example.test")
    assert catcher.store.list() == []


async def test_tls_from_the_start_is_spoken_where_it_is_asked_for(certificate: Certificate, secured: Server) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 busy\r\n")
        await reader.read()

    async with listening(talk, context) as port:
        with pytest.raises(TemporaryFailure, match="421"):
            await send(replace(secured, port=port, starttls=False, implicit_tls=True), "ines@example.test")


@pytest.mark.filterwarnings("ignore:Session.login_data:DeprecationWarning")  # of aiosmtpd, about itself
async def test_a_login_is_used_over_tls(catcher: Catcher, secured: Server) -> None:
    await send(replace(secured, user="neoforge", password="secret"), "ines@example.test")
    assert len(catcher.store.list()) == 1


async def test_a_server_that_is_away_is_a_temporary_failure(unused_tcp_port: int) -> None:
    with pytest.raises(TemporaryFailure):
        await send(server_at(unused_tcp_port), "ines@example.test")


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(talk) as port:
        with pytest.raises(TemporaryFailure):
            await send(server_at(port, timeout_s=0.2), "ines@example.test")


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [
        ({"RCPT": "550 5.1.1 no such user"}, AddressRefused),
        ({"RCPT": "550 no such user"}, AddressRefused),
        ({"RCPT": "553 5.1.3 bad address"}, AddressRefused),
        ({"RCPT": "556 5.1.10 null MX"}, AddressRefused),
        ({"RCPT": "550 5.2.1 disabled"}, AddressRefused),
        ({"RCPT": "550 5.7.1 relaying denied"}, MailRefused),
        ({"RCPT": "554 5.7.1 your network is blocked"}, MailRefused),
        ({"RCPT": "554 no"}, MailRefused),
        ({"RCPT": "552 5.2.2 mailbox full"}, MailRefused),
        ({"RCPT": "451 4.7.1 greylisted"}, TemporaryFailure),
        ({"RCPT": "421 too many connections"}, TemporaryFailure),
        ({"MAIL": "550 5.7.1 not from you"}, MailRefused),
        ({"MAIL": "451 4.3.0 later"}, TemporaryFailure),
        ({"DATA": "451 4.3.0 later"}, TemporaryFailure),
        ({"DATA": "554 5.6.0 no"}, MailRefused),
        ({".": "550 5.7.1 looks like spam"}, MailRefused),
        ({".": "452 4.3.1 disk full"}, TemporaryFailure),
        ({"EHLO": "421 busy", "HELO": "421 busy"}, TemporaryFailure),
    ],
)
async def test_what_the_server_says_gets_its_name(replies: dict[str, str], outcome: type[Exception]) -> None:
    async with scripted(replies) as server:
        with pytest.raises(outcome):
            await send(server, "ines@example.test")


async def test_a_bad_login_is_the_operators_and_not_the_mails_fault() -> None:
    async with scripted({"EHLO": "250-fine\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 no"}) as server:
        with pytest.raises(TemporaryFailure):
            await send(replace(server, user="neoforge", password="wrong"), "ines@example.test")


async def test_a_local_part_beyond_ascii_is_refused_where_the_server_cannot_carry_it(tmp_path: Path) -> None:
    async with Catcher(tmp_path / "ascii", smtputf8=False) as old:
        with pytest.raises(MailRefused, match="SMTPUTF8"):
            await send(server_at(old.smtp_port), "müller@bücher.example")
        await send(server_at(old.smtp_port), "ines@bücher.example")
        assert [mail.recipients for mail in old.store.list()] == [("ines@xn--bcher-kva.example",)]


async def test_an_address_in_the_servers_reply_does_not_get_into_the_error() -> None:
    async with scripted({"RCPT": "550 5.1.1 <ines@example.test>: no such user"}) as server:
        with pytest.raises(AddressRefused) as refused:
            await send(server, "ines@example.test")
    assert str(refused.value) == "550 5.1.1 <address> no such user"


async def test_a_delivery_is_a_client_span_without_the_address(
    catcher: Catcher, secured: Server, monkeypatch: pytest.MonkeyPatch, spans: Callable[[], InMemorySpanExporter]
) -> None:
    await send(secured, "ines@example.test")
    with pytest.raises(AddressRefused):
        await send(secured, "permanent-refusal@example.test")
    sent, refused = spans().get_finished_spans()
    assert (sent.name, sent.kind.name) == (f"send 127.0.0.1:{secured.port}", "CLIENT")
    assert refused.attributes is not None
    assert refused.attributes["error.type"] == "AddressRefused"
    assert "ines" not in sent.to_json()
    assert "permanent-refusal" not in refused.to_json()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Callable[[], InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(smtp, "tracer", provider.get_tracer("test"))
    return lambda: exporter
