import asyncio
import gzip
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address, ip_network

import pytest
import pytest_asyncio

from chassis.embedded.certificates import Authority
from chassis.testing.receiver import Receiver, answer
from chassis.webhooks.addresses import Address
from chassis.webhooks.outbound import MAX_ANSWER_BYTES, OutboundClient, Received, Refused, Unreachable, system_resolver
from chassis.webhooks.urls import parse

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Names:
    """A resolver under a test's control: each look-up of a name takes the next answer, the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        assert port
        self.asked.append(host)
        name = host.partition(".")[0]
        if name not in self._answers:
            raise OSError("no such name")
        left = self._answers[name]
        return [ip_address(a) for a in (left.pop(0) if len(left) > 1 else left[0])]


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


async def post(client: OutboundClient, url: str, **headers: str) -> Received:
    return await client.post(parse(url)[1], b'{"a":1}', headers)


async def test_a_request_arrives_as_it_was_meant(receiver: Receiver) -> None:
    client = OutboundClient(allowed=LOOPBACK)
    got = await post(client, receiver.url + "?token=x", **{"webhook-id": "m1"})
    assert got.status == 204
    arrived = receiver.arrived[0]
    assert (arrived.target, arrived.body, arrived.headers["webhook-id"]) == ("/hook?token=x", b'{"a":1}', "m1")
    assert arrived.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert arrived.headers["accept-encoding"] == "identity"


async def test_an_inner_address_is_refused_when_no_setting_allows_it(receiver: Receiver) -> None:
    with pytest.raises(Refused, match="loopback"):
        await post(OutboundClient(), receiver.url)
    assert receiver.arrived == []


async def test_a_name_is_connected_to_at_the_very_address_that_was_checked(receiver: Receiver) -> None:
    names = Names(hooks=[["127.0.0.1"], ["10.0.0.1"]])
    client = OutboundClient(allowed=LOOPBACK, resolve=names)
    assert (await post(client, f"http://hooks.example:{receiver.port}/")).status == 204
    assert names.asked == ["hooks.example"]
    assert receiver.arrived[0].headers["host"] == f"hooks.example:{receiver.port}"


async def test_a_name_that_is_public_first_and_then_loopback_is_refused_at_each_connection(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    async def refuse(remote_host: str, **_: object) -> None:
        opened.append(remote_host)
        raise OSError("no route")

    monkeypatch.setattr("anyio.connect_tcp", refuse)  # the public address is not ours to reach
    names = Names(rebind=[["8.8.8.8"], ["127.0.0.1"]])
    client = OutboundClient(resolve=names)
    url = f"http://rebind.example:{receiver.port}/"
    with pytest.raises(Unreachable):
        await post(client, url)
    with pytest.raises(Refused, match="loopback"):
        await post(client, url)
    assert opened == ["8.8.8.8"]
    assert receiver.arrived == []


@pytest.mark.parametrize("inner", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"])
async def test_a_name_with_one_inner_address_among_public_ones_is_refused(inner: str) -> None:
    with pytest.raises(Refused):
        await post(OutboundClient(resolve=Names(mixed=[["8.8.8.8", inner]])), "http://mixed.example/")


async def test_every_address_of_a_name_is_tried(receiver: Receiver) -> None:
    client = OutboundClient(allowed=LOOPBACK, resolve=Names(two=[["127.0.0.2", "127.0.0.1"]]))
    # Nothing listens on 127.0.0.2.
    assert (await post(client, f"http://two.example:{receiver.port}/")).status == 204


async def test_an_open_redirect_to_metadata_is_not_followed(receiver: Receiver) -> None:
    receiver.answers.append(answer(302, location="http://169.254.169.254/latest/meta-data/"))
    got = await post(OutboundClient(allowed=LOOPBACK), receiver.url)
    assert (got.status, got.headers["location"]) == (302, "http://169.254.169.254/latest/meta-data/")


async def test_no_proxy_is_taken_from_the_environment(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await post(OutboundClient(allowed=LOOPBACK), receiver.url)
        assert proxy.arrived == []
    assert len(receiver.arrived) == 1


async def test_of_a_long_answer_the_beginning_is_read_and_the_rest_dropped(receiver: Receiver) -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            await writer.drain()
            sent += 0x4000

    receiver.answers.append(endless)
    got = await post(OutboundClient(allowed=LOOPBACK), receiver.url)
    assert (got.status, len(got.body)) == (200, MAX_ANSWER_BYTES)
    assert sent < 64 * 1024 * 1024


async def test_a_compressed_bomb_stays_compressed(receiver: Receiver) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    receiver.answers.append(head + bomb)
    got = await post(OutboundClient(allowed=LOOPBACK), receiver.url)
    assert got.body == bomb


async def test_an_answer_with_an_endless_head_is_no_answer(receiver: Receiver) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Filler: " + b"x" * 1000 + b"\r\n")
            await writer.drain()

    receiver.answers.append(endless)
    with pytest.raises(Unreachable):
        await post(OutboundClient(allowed=LOOPBACK), receiver.url)


async def test_a_receiver_that_never_answers_costs_the_total_time_and_no_more(receiver: Receiver) -> None:
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    receiver.answers.append(silent)
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
        await post(OutboundClient(allowed=LOOPBACK, timeout_s=0.2), receiver.url)


async def test_an_answer_whose_body_stalls_counts_by_its_status(receiver: Receiver) -> None:
    async def stalls(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthanks")
        await writer.drain()
        await asyncio.Event().wait()

    receiver.answers.append(stalls)
    got = await post(OutboundClient(allowed=LOOPBACK, timeout_s=0.3), receiver.url)
    assert (got.status, got.body) == (200, b"thanks")


@pytest.mark.parametrize(
    "garbage", [b"", b"220 smtp ready\r\n", b"\x16\x03\x01\x00", b"HTTP/1.1 200 OK\r\nbad\r\n\r\n"]
)
async def test_what_is_no_http_is_no_answer(receiver: Receiver, garbage: bytes) -> None:
    receiver.answers.append(garbage)
    with pytest.raises(Unreachable):
        await post(OutboundClient(allowed=LOOPBACK, timeout_s=2), receiver.url)


async def test_nothing_that_listens_and_a_name_that_is_unknown_are_told_apart() -> None:
    async with Receiver() as gone:
        pass
    client = OutboundClient(allowed=LOOPBACK, resolve=Names())
    with pytest.raises(Unreachable, match="the connection failed"):
        await post(client, gone.url)
    with pytest.raises(Unreachable, match=r"nowhere\.example does not resolve"):
        await post(client, "http://nowhere.example/")


async def test_over_tls_the_name_is_verified_though_the_address_is_connected_to(authority: Authority) -> None:
    identity = authority.issue("projects")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(identity.certificate, identity.key)
    asked: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: asked.append(name)
    trusting = ssl.create_default_context(cafile=str(identity.authority))
    names = Names(projects=[["127.0.0.1"]], other=[["127.0.0.1"]])
    async with Receiver(serving) as receiver:
        client = OutboundClient(allowed=LOOPBACK, resolve=names, tls=trusting)
        assert (await post(client, f"https://projects:{receiver.port}/")).status == 204
        with pytest.raises(Unreachable, match="certificate is not valid"):
            await post(client, f"https://other.example:{receiver.port}/")
        with pytest.raises(Unreachable, match="certificate is not valid"):
            await post(OutboundClient(allowed=LOOPBACK, resolve=names), f"https://projects:{receiver.port}/")
    assert asked == ["projects", "other.example", "projects"]


async def test_the_systems_resolver_gives_checked_addresses_too() -> None:
    with pytest.raises(Refused, match="loopback"):
        await post(OutboundClient(), "http://localhost/")


async def test_names_whose_servers_never_answer_take_no_threads_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(60) and [])
    looking = [asyncio.create_task(system_resolver(f"{number}.example.test", 443)) for number in range(40)]
    try:
        assert await asyncio.to_thread(lambda: "at once") == "at once"
        assert not any(task.done() for task in looking)
    finally:
        answered.set()
    await asyncio.gather(*looking)
