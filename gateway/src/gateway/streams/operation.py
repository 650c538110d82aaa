"""Routes whose answer is a stream."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from chassis import logs
from chassis.errors import RemoteError
from gateway import metrics, problems
from gateway.call import Call
from gateway.declaration import Declaration, Kind
from gateway.observation import LASTS
from gateway.operations import Operation, Operations
from gateway.problems import Problem
from gateway.protocol import HANG_UP
from gateway.representation import ANY_ORIGIN
from gateway.streams.events import MEDIA_TYPE
from gateway.streams.feed import Feed
from gateway.streams.stream import Stream

log = logging.getLogger("gateway.streams")

_HEADERS: Final = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # proxies that collect answers pass these on as they come
]

Endpoint = Callable[..., Coroutine[Any, Any, Feed]]


class StreamOperation(Operation):
    """A route that is followed; its endpoint says where the events come from."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of this route, for as long as it lasts."""
        self._check_method(scope)
        call = Call(scope, receive, self.declaration)
        streams, settings = call.parts.streams, call.parts.settings
        try:
            await call.identify()
            if call.penalised:
                raise call.as_penalised()
            if scope["query_string"]:
                self._read_query(scope["query_string"])
            _check_accept(call)
            feed: Feed = await self._endpoint(call, **scope["path_params"])  # type: ignore[assignment] # as `follow` takes
            known = _last_event_id(call, feed)
            with streams.place(call.caller):
                events = streams.events(self.path_format, feed, known, call.caller, logs.request_id.get())
                async with aclosing(events):
                    first = await _first(anext(events), call.left_s)
                    headers = [*_HEADERS, *(ANY_ORIGIN if call.for_everyone else []), *call.answer_headers()]
                    scope[LASTS] = True
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                    if scope["method"] == "HEAD":
                        await send({"type": "http.response.body"})
                        return
                    stream = Stream(
                        events,
                        first,
                        known,
                        route=self.path_format,
                        proof=call.proof,
                        headers=scope["headers"],
                        heartbeat_s=settings.stream_heartbeat_s,
                        longest_s=settings.stream_longest_s,
                    )
                    with streams.open(stream, self.path_format):
                        await self._run(stream, scope, receive, send)
        except (Problem, RemoteError) as fault:
            problem = problems.from_remote(fault) if isinstance(fault, RemoteError) else fault
            raise self._told(problem.saying(call.answer_headers()), scope) from fault

    async def _run(self, stream: Stream, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        reason = await stream.run(receive, send)
        if reason == "slow":  # to close it would mean to wait until the client has taken what was sent
            scope[HANG_UP]()
            while (await receive())["type"] != "http.disconnect":
                pass
        metrics.streams_ended.labels(reason).inc()
        log.info(
            "a stream ended: %s",
            reason,
            extra={
                "route": self.path_format,
                "reason": reason,
                "events": stream.told,
                "duration_ms": round((time.monotonic() - started) * 1_000),
                "client": scope["neoforge.address"],
            },
        )


def follow(routes: Operations, path: str, *, public: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Add the decorated endpoint to routes, as one whose answer is a stream."""
    declared = Declaration(Kind.READ, "GET", None, media_type=MEDIA_TYPE, public=public, lasts=True)

    def add(endpoint: Endpoint) -> Endpoint:
        routes.add(path, endpoint, declared, StreamOperation)
        return endpoint

    return add


async def _first(event: Any, longest_s: float) -> Any:
    try:
        async with asyncio.timeout(longest_s):
            return await event
    except TimeoutError:
        raise Problem("DEADLINE_EXCEEDED", "The stream did not begin in time.") from None


def _last_event_id(call: Call, feed: Feed) -> str:
    """Give what the client says that it had last, or an empty text."""
    given = call.headers.get("last-event-id", "")
    if given and not feed.ids.fullmatch(given):
        raise Problem("MALFORMED_LAST_EVENT_ID", "Last-Event-ID is not the id of an event of this stream.")
    return given


def _check_accept(call: Call) -> None:
    """Refuse who takes no stream (RFC 9110, section 12.5.1); who says nothing takes anything."""
    accepted = [part.partition(";") for part in ",".join(call.headers.getlist("accept")).lower().split(",")]
    weights = {kind.strip(): parameters.replace(" ", "") for kind, _, parameters in accepted}
    if not any(weights):
        return
    for kind in (MEDIA_TYPE, "text/*", "*/*"):
        if kind in weights:
            if any(p.startswith("q=") and not p[2:].strip("0.") for p in weights[kind].split(";")):
                break
            return
    raise Problem("NOT_ACCEPTABLE", f"This resource is a stream of events: {MEDIA_TYPE}.")
