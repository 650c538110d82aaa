"""Both ends of a hop, with a server whose every method does what a test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from chassis.access import ANYONE
from chassis.admission import Admission
from chassis.embedded.ports import free_port
from chassis.errors import Overloaded, RemoteError, Unavailable
from chassis.identity import NOBODY
from chassis.rpc import client
from chassis.rpc.channel import Channel
from chassis.rpc.client import invoke
from chassis.rpc.server import CallInterceptor
from chassis.testing.waiting import until

METHOD = "/test.Service/Method"
PEER = "tested"
Behavior = Callable[[bytes, Any], Any]


class Anything(grpc.GenericRpcHandler):  # type: ignore[type-arg] # generic in the type stubs alone
    def __init__(self, behavior: Behavior, make: Any) -> None:
        self._handler = make(behavior)

    def service(self, handler_call_details: Any) -> Any:  # noqa: ARG002 - every method is the same
        return self._handler


Serve = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server with one behavior on a port, and gives the stub of its method."""
    servers: list[Any] = []
    channels: list[Any] = []

    async def start(
        behavior: Behavior, port: int = 0, make: Any = grpc.unary_unary_rpc_method_handler, peer: str = PEER
    ) -> Any:
        server = grpc.aio.server(interceptors=[CallInterceptor({METHOD: ANYONE}, frozenset(), Admission())])
        server.add_generic_rpc_handlers((Anything(behavior, make),))
        opened = Channel(f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}", None, peer=peer)
        await server.start()
        servers.append(server)
        channels.append(opened)
        return opened

    yield start
    for opened in channels:
        await opened.close(None)
    for server in servers:
        await server.stop(None)


async def ask(opened: Any, **options: Any) -> Any:
    rpc = opened.unary_unary(METHOD)
    defaults: dict[str, Any] = {"caller": NOBODY, "request_id": "r", "timeout_s": 20.0}
    return (await invoke(rpc, b"", **defaults | options)).message


def counted(name: str, code: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"{name}_count", {"method": METHOD, "code": code, **labels}) or 0.0


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_call_that_could_not_be_sent_waits_out_a_restart_whatever_it_does(
    serve: Serve, repeatable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def answers(request: bytes, context: Any) -> bytes:
        asked.append(1)
        return b"here"

    port = free_port()
    opened = Channel(f"127.0.0.1:{port}", None)
    with monkeypatch.context() as hasty:
        hasty.setattr(client, "_RESTART_S", 0.2)
        with pytest.raises(RemoteError) as told:
            await ask(opened)
    assert told.value.code is grpc.StatusCode.UNAVAILABLE
    monkeypatch.setattr(client, "_RESTART_S", 60.0)
    waiting = asyncio.create_task(ask(opened, repeatable=repeatable, timeout_s=60.0))
    await asyncio.sleep(0)
    await serve(answers, port)
    assert await waiting == b"here"
    assert asked == [1]
    await opened.close(None)


async def test_a_service_that_stays_away_is_unavailable_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_RESTART_S", 0.2)
    opened = Channel(f"127.0.0.1:{free_port()}", None)
    with pytest.raises(RemoteError) as told:
        await ask(opened, repeatable=True)
    assert told.value.code is grpc.StatusCode.UNAVAILABLE
    await opened.close(None)


async def test_a_service_that_says_unavailable_itself_is_asked_once_more_and_no_more(serve: Serve) -> None:
    asked: list[int] = []

    async def refuses(request: bytes, context: Any) -> bytes:
        asked.append(1)
        if len(asked) != 5:
            raise Unavailable("the database does not answer")
        return b"here"

    opened = await serve(refuses)
    for attempts, repeatable in ((1, False), (3, True)):
        with pytest.raises(RemoteError, match="the database does not answer"):
            await ask(opened, repeatable=repeatable)
        assert len(asked) == attempts
    assert await ask(opened, repeatable=True) == b"here"


async def test_repetitions_have_a_budget_that_answers_fill_again(serve: Serve) -> None:
    asked: list[int] = []
    broken = True

    async def answers(request: bytes, context: Any) -> bytes:
        asked.append(1)
        if broken:
            raise Unavailable("the database does not answer")
        return b"here"

    opened = await serve(answers)

    async def twenty() -> int:
        asked.clear()
        for _ in range(20):
            with contextlib.suppress(RemoteError):
                await ask(opened, repeatable=True)
        return len(asked)

    # Ten tokens, of which a failure takes one: after five failures none is repeated.
    assert await twenty() == 22
    assert await twenty() == 20
    broken = False
    for _ in range(4):
        assert await twenty() == 20
    broken = True
    assert await twenty() > 20


async def test_a_service_that_has_too_much_to_do_is_not_asked_again(serve: Serve) -> None:
    asked: list[int] = []

    async def refuses(request: bytes, context: Any) -> bytes:
        asked.append(1)
        raise Overloaded("there is more to do than can be done")

    opened = await serve(refuses)
    with pytest.raises(RemoteError) as told:
        await ask(opened, repeatable=True)
    assert (told.value.reason, asked) == ("OVERLOADED", [1])


async def test_a_caller_who_gives_up_is_counted_as_such_at_both_ends(serve: Serve) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def dawdles(request: bytes, context: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    opened = await serve(dawdles)
    ends: tuple[tuple[str, dict[str, str]], ...] = (
        ("rpc_client_duration_seconds", {"peer": PEER}),
        ("rpc_server_duration_seconds", {}),
    )
    before = [counted(name, "CANCELLED", **labels) for name, labels in ends]
    call = asyncio.create_task(ask(opened))
    await until(begun.is_set)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(ended.is_set)
    await until(lambda: [counted(name, "CANCELLED", **labels) for name, labels in ends] == [n + 1 for n in before])


async def test_calls_of_the_same_method_of_two_services_are_counted_apart(serve: Serve) -> None:
    async def answers(request: bytes, context: Any) -> bytes:
        return b"here"

    first, second = await serve(answers, peer="projects"), await serve(answers, peer="billing2")
    before = [counted("rpc_client_duration_seconds", "OK", peer=peer) for peer in ("projects", "billing2")]
    await ask(first)
    for _ in range(2):
        await ask(second)
    after = [counted("rpc_client_duration_seconds", "OK", peer=peer) for peer in ("projects", "billing2")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 2]


async def test_a_stream_of_a_generator_or_of_writes_passes_and_ends_with_its_failure(serve: Serve) -> None:
    async def generates(request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"1"
        yield b"2"
        raise Unavailable("no more")

    async def writes(request: bytes, context: Any) -> None:
        await context.write(b"1")
        await context.write(b"2")
        raise Unavailable("no more")

    for behavior in (generates, writes):
        opened = await serve(behavior, make=grpc.unary_stream_rpc_method_handler)
        stream = opened.unary_stream(METHOD)(b"")
        assert [await stream.read(), await stream.read()] == [b"1", b"2"]
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await stream.read()
        assert RemoteError.from_rpc(told.value).reason == "UNAVAILABLE"


async def test_a_stream_that_its_listener_leaves_ends_in_the_server(serve: Serve) -> None:
    ended = asyncio.Event()

    async def endless(request: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"more"
                await asyncio.sleep(0)
        finally:
            ended.set()

    opened = await serve(endless, make=grpc.unary_stream_rpc_method_handler)
    stream = opened.unary_stream(METHOD)(b"")
    assert await stream.read() == b"more"
    stream.cancel()
    await until(ended.is_set)


async def test_a_call_without_a_deadline_gets_one(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.rpc.server.LONGEST_CALL_S", 0.05)

    async def dawdles(request: bytes, context: Any) -> None:
        await asyncio.Event().wait()

    opened = await serve(dawdles)
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await opened.unary_unary(METHOD)(b"")
    assert RemoteError.from_rpc(told.value).reason == "DEADLINE_EXCEEDED"


async def test_a_method_that_there_is_not_is_unimplemented(serve: Serve) -> None:
    server = grpc.aio.server(interceptors=[CallInterceptor({}, frozenset(), Admission())])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    opened = Channel(f"127.0.0.1:{port}", None)
    with pytest.raises(RemoteError) as told:
        await ask(opened)
    assert told.value.code is grpc.StatusCode.UNIMPLEMENTED
    await opened.close(None)
    await server.stop(None)
