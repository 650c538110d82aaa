import asyncio
import http.client
import json
import signal
import sqlite3
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
import pytest_asyncio

from chassis.embedded.certificates import Authority
from chassis.embedded.ports import free_ports
from devstack.mailcatcher.catcher import Catcher
from devstack.mailcatcher.smtp import Certificate
from devstack.mailcatcher.store import Store
from devstack.ports import SPAN


@pytest_asyncio.fixture
async def catcher(tmp_path: Path) -> AsyncIterator[Catcher]:
    async with Catcher(tmp_path) as running:
        yield running


def mail(**fields: str) -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    given = {"From": "no-reply@example.test", "To": "ines@example.test", "Subject": "Hello", "Message-ID": "<1@x.test>"}
    for name, value in (given | fields).items():
        made[name] = value
    made.set_content("Hello, أحمد\n")
    made.add_alternative("<p>Hello</p>", subtype="html")
    made.set_boundary("=_fixed")
    return made


async def send(catcher: Catcher, message: EmailMessage, *to: str, **options: Any) -> None:
    given: dict[str, Any] = {
        "hostname": "127.0.0.1",
        "port": catcher.smtp_port,
        "start_tls": False,
        "local_hostname": "localhost",
    }
    await aiosmtplib.send(
        message, sender="no-reply@example.test", recipients=list(to or ["ines@example.test"]), **given | options
    )


async def ask(catcher: Catcher, method: str, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    def answer() -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", catcher.page_port, timeout=10)
        connection.request(method, path, headers={"Host": f"localhost:{catcher.page_port}"} | headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body

    return await asyncio.to_thread(answer)


async def get(catcher: Catcher, path: str) -> Any:
    response, body = await ask(catcher, "GET", path)
    assert response.status == 200
    return json.loads(body)


async def test_a_caught_mail_is_listed_newest_first_and_can_be_read(catcher: Catcher) -> None:
    await send(catcher, mail(Subject="First"))
    await send(catcher, mail(Subject="Zweite 🚀", To="أحمد <ahmad@example.test>"), "ahmad@example.test")
    listed = (await get(catcher, "/api/mails"))["mails"]
    assert [(one["subject"], one["to"]) for one in listed] == [
        ("Zweite 🚀", ["ahmad@example.test"]),
        ("First", ["ines@example.test"]),
    ]
    read = await get(catcher, f"/api/mails/{listed[0]['id']}")
    assert read["text"].strip() == "Hello, أحمد"
    assert read["html"].strip() == "<p>Hello</p>"
    assert ["To", "أحمد <ahmad@example.test>"] in read["headers"]


async def test_mails_are_found_by_recipient_exactly_and_by_a_part_of_recipient_or_subject(catcher: Catcher) -> None:
    await send(catcher, mail(Subject="Über Äpfel"), "ines@example.test")
    await send(catcher, mail(), "ines+tag@example.test", "tomas@xn--bcher-kva.example")
    assert len((await get(catcher, "/api/mails?to=INES@example.test"))["mails"]) == 1
    assert len((await get(catcher, "/api/mails?to=tomas@b%C3%BCcher.example"))["mails"]) == 1
    assert len((await get(catcher, "/api/mails?search=ines"))["mails"]) == 2
    assert len((await get(catcher, "/api/mails?search=%C3%84PFEL"))["mails"]) == 1
    assert (await get(catcher, "/api/mails?search=%25"))["mails"] == []
    assert len((await get(catcher, "/api/mails?limit=1"))["mails"]) == 1


async def test_a_repeated_delivery_is_one_mail_that_was_delivered_twice(catcher: Catcher) -> None:
    message, changed = mail(), mail(Subject="Changed")
    for one in (message, message, changed, mail(**{"Message-ID": "<2@x.test>"})):
        await send(catcher, one)
    await send(catcher, message, "tomas@example.test")
    listed = (await get(catcher, "/api/mails"))["mails"]
    assert [(one["subject"], one["message_id"], one["deliveries"]) for one in listed] == [
        ("Hello", "<1@x.test>", 1),
        ("Hello", "<2@x.test>", 1),
        ("Changed", "<1@x.test>", 1),
        ("Hello", "<1@x.test>", 2),
    ]


async def test_what_an_older_catcher_kept_in_another_layout_is_forgotten(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mails.sqlite3")) as older:
        older.execute("CREATE TABLE mails (id INTEGER PRIMARY KEY, message_id TEXT)")
    async with Catcher(tmp_path) as catcher:
        await send(catcher, mail())
        assert len((await get(catcher, "/api/mails"))["mails"]) == 1


async def test_mails_are_deleted_all_or_of_one_recipient(catcher: Catcher) -> None:
    await send(catcher, mail())
    await send(catcher, mail(), "tomas@example.test")
    _, removed = await ask(catcher, "DELETE", "/api/mails?to=ines@example.test")
    assert json.loads(removed) == {"removed": 1}
    assert [one["to"] for one in (await get(catcher, "/api/mails"))["mails"]] == [["tomas@example.test"]]
    await ask(catcher, "DELETE", "/api/mails")
    assert (await get(catcher, "/api/mails"))["mails"] == []


async def test_mails_outlive_the_catcher(tmp_path: Path) -> None:
    async with Catcher(tmp_path) as first:
        await send(first, mail())
    async with Catcher(tmp_path) as second:
        assert len((await get(second, "/api/mails"))["mails"]) == 1


def test_the_oldest_mails_go_when_there_are_too_many_or_they_are_too_large(tmp_path: Path) -> None:
    few, small = (Store(tmp_path / name, most_mails=3, most_bytes=5_000) for name in ("few", "small"))
    for number in range(5):
        few.add(f"Subject: {number}\r\n\r\n".encode(), "", ["ines@example.test"], "2026-11-02T09:30:00.000Z")
        small.add(f"Subject: {number}\r\n\r\n".encode() + b"a" * 2_000, "", ["ines@example.test"], "2026-11-02")
    assert [kept.subject for kept in few.list()] == ["4", "3", "2"]
    assert [kept.subject for kept in small.list()] == ["4", "3"]
    assert [kept.subject for kept in small.list(to="ines@example.test")] == ["4", "3"]
    few.close()
    small.close()


async def test_attachments_are_saved_and_never_shown(catcher: Catcher) -> None:
    message = mail()
    message.add_attachment(b"<script>alert(1)</script>", maintype="text", subtype="html", filename="Rechnung 🧾.html")
    await send(catcher, message)
    [listed] = (await get(catcher, "/api/mails"))["mails"]
    assert (await get(catcher, f"/api/mails/{listed['id']}"))["attachments"] == [
        {"name": "Rechnung 🧾.html", "media_type": "text/html", "size": 25}
    ]
    response, body = await ask(catcher, "GET", f"/api/mails/{listed['id']}/attachments/0")
    assert body == b"<script>alert(1)</script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''Rechnung%20")
    assert (await ask(catcher, "GET", f"/api/mails/{listed['id']}/attachments/1"))[0].status == 404


async def test_the_html_of_a_mail_runs_nothing_and_loads_nothing(catcher: Catcher) -> None:
    message = mail()
    html = '<p>x</p><script>1</script><img src="https://evil.test/pixel"><img src="cid:logo">'
    message = EmailMessage(policy=SMTP)
    message["To"] = "ines@example.test"
    message.set_content("x")
    message.add_alternative(html, subtype="html")
    message.get_payload()[1].add_related(b"\x89PNG", maintype="image", subtype="png", cid="<logo>")  # type: ignore[index,union-attr] # its parts
    await send(catcher, message)
    [listed] = (await get(catcher, "/api/mails"))["mails"]
    response, body = await ask(catcher, "GET", f"/api/mails/{listed['id']}/html")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';")
    assert "script" not in policy
    assert "http" not in policy
    assert b'src="data:image/png;base64,iVBORw=="' in body
    page, _ = await ask(catcher, "GET", "/")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["evil.test", "evil.test:8086", "localhost.evil.test:8086", "127.0.0.1.evil.test:1"])
@pytest.mark.parametrize("path", ["/", "/api/mails", "/api/events"])
async def test_a_name_that_is_not_ours_gets_nothing(catcher: Catcher, host: str, path: str) -> None:
    assert (await ask(catcher, "GET", path, Host=host))[0].status == 403


async def test_what_does_not_exist_is_not_found(catcher: Catcher) -> None:
    for path in ("/nothing", "/api/mails/1", "/api/mails/x", "/page.js/../store.py", "/api/mails/1/html"):
        assert (await ask(catcher, "GET", path))[0].status == 404
    assert (await ask(catcher, "GET", "/api/mails?limit=x"))[0].status == 422
    assert (await ask(catcher, "GET", "/health"))[0].status == 200


async def test_the_page_is_told_of_a_new_mail_at_once(catcher: Catcher) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", catcher.page_port)
    writer.write(f"GET /api/events HTTP/1.1\r\nHost: localhost:{catcher.page_port}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"text/event-stream" in head
    first = await reader.readuntil(b"\n\n")
    await send(catcher, mail())
    second = await reader.readuntil(b"\n\n")
    assert first.startswith(b"data: ")
    assert second.startswith(b"data: ")
    assert first != second
    writer.close()
    await writer.wait_closed()


async def test_a_test_can_ask_for_refusals(catcher: Catcher) -> None:
    async def reply_to(address: str) -> int:
        try:
            await send(catcher, mail(), address)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[0].code
        return 250

    assert await reply_to("permanent-refusal@example.test") == 550
    assert [await reply_to("temporary-refusal@example.test") for _ in range(3)] == [451, 451, 451]
    assert [await reply_to("temporary-refusal+2@example.test") for _ in range(4)] == [451, 451, 250, 250]


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\r\n",
        b"no header at all\r\n",
        b"Subject: =?utf-8?b?broken?= =?nope?q?x?=\r\nTo: \xff\xfe\r\n\r\n\xff\xfe",
        b"Content-Type: text/plain; charset=nope\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nnever closed",
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx",
    ],
)
async def test_a_mail_that_breaks_every_rule_can_still_be_looked_at(catcher: Catcher, source: bytes) -> None:
    id_ = catcher.store.add(source, "", ["ines@example.test"], "2026-11-02T09:30:00.000Z")
    await get(catcher, f"/api/mails/{id_}")
    response, body = await ask(catcher, "GET", f"/api/mails/{id_}/source")
    assert (response.status, body) == (200, source)
    assert (await ask(catcher, "GET", f"/api/mails/{id_}/html"))[0].status == 200


async def test_a_mail_that_is_too_large_is_refused(catcher: Catcher) -> None:
    async with aiosmtplib.SMTP(
        hostname="127.0.0.1", port=catcher.smtp_port, start_tls=False, local_hostname="localhost"
    ) as client:
        with pytest.raises(aiosmtplib.SMTPResponseException) as refused:
            await client.mail("no-reply@example.test", options=["SIZE=99999999"])
    assert refused.value.code == 552


async def test_the_process_offers_starttls_and_ends_on_sigterm(tmp_path: Path) -> None:
    base = free_ports(SPAN)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "devstack.mailcatcher", "--port", str(base)),
        env={"NEOFORGE_DATA": str(tmp_path), "PATH": ""},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert b"is shown on" in await process.stdout.readline()
    context = ssl.create_default_context(cafile=str(tmp_path / "certificates" / "mail" / "ca.crt"))
    await aiosmtplib.send(
        mail(), hostname="127.0.0.1", port=base + 5, start_tls=True, tls_context=context, local_hostname="localhost"
    )
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_starttls_is_not_offered_without_a_certificate(
    catcher: Catcher, tmp_path: Path, authority: Authority
) -> None:
    identity = authority.issue("mail")
    async with Catcher(tmp_path / "tls", Certificate(identity.certificate, identity.key)) as secured:
        for port, offered in ((catcher.smtp_port, False), (secured.smtp_port, True)):
            client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, local_hostname="localhost")
            async with client:
                await client.ehlo()
                assert client.supports_extension("starttls") is offered
                assert client.supports_extension("smtputf8")
