"""What happens to a request for which this process has no time: it is refused while that is still cheap."""

import random
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.admission import Admission
from chassis.errors import Overloaded
from gateway import problems
from gateway.observation import UNSEEN, Observation, ids, request_id_of
from gateway.problem_types import TYPES
from gateway.problems import Problem
from gateway.representation import Headers

ADMIT_RATIO: Final = b"x-admit-ratio"
"""The field by which a proxy learns what part of those whom it lets pass it should; the others it can refuse itself."""
_LONGEST_PAUSE_S: Final = 3
"""Who is refused is told to come back within this time, not all at once."""
_ANSWERED_OTHERWISE: Final = frozenset({b"HEAD", b"OPTIONS"})
_LOOKED_AT: Final = frozenset({b"origin", b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
"""Headers of pages of other origins, of requests with a body, and of what is more than a request and its answer."""


def _refusal(admission: Admission) -> Problem:
    pause = random.randint(1, _LONGEST_PAUSE_S)  # noqa: S311 - spreads who comes back, guards nothing
    headers = [(b"retry-after", b"%d" % pause)]
    if admission.overloaded:
        headers.append((ADMIT_RATIO, b"%.2f" % admission.ratio))
    return Problem("OVERLOADED", TYPES["OVERLOADED"].advice, headers=headers)


class Refusals:
    """The answers that the layers would give, for requests that none of them has to look at: at a fourth of the cost.

    That counts: what is refused takes from the time of what is admitted.
    """

    def __init__(self, admission: Admission, observation: Observation, public_url: str) -> None:
        self._admission = admission
        self._observation = observation
        self._public_url = public_url

    def refuses(self, method: bytes, path: str, headers: Headers) -> bool:
        """Say whether such a request is refused, and is one that the layers need not look at."""
        return (
            self._admission.refuses
            and method not in _ANSWERED_OTHERWISE
            and path not in UNSEEN
            and _LOOKED_AT.isdisjoint(name for name, _ in headers)
        )

    def refuse(self, path: str, headers: Headers) -> tuple[Headers, bytes]:
        """Count a refusal, and give the headers and the body of its answer."""
        self._admission.refuse()
        given = dict(headers)
        request_id, trace_id = request_id_of(given.get(b"x-request-id", b"")), self._observation.overlooked(given)
        problem = _refusal(self._admission)
        body = problems.body(problem, self._public_url, path, (trace_id, request_id))
        return [*problems.fields(problem, body), (b"vary", b"Origin"), *ids(request_id, trace_id)], body


class Admitting:
    """Gives each request a place until its answer begins, if there is one.

    While it waits for what its client still sends, it has none: who is slow to send keeps nobody out.
    """

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, once there is a place for it.

        Raises:
            Problem: OVERLOADED.
        """
        if scope["type"] != "http" or scope["path"] in UNSEEN:
            await self._app(scope, receive, send)
            return
        place = _Place(self._admission, receive, send)
        await place.take()
        try:
            await self._app(scope, place.receive, place.send)
        finally:
            place.give_up()


class _Place:
    """The place of one request."""

    def __init__(self, admission: Admission, receive: Receive, send: Send) -> None:
        self._admission = admission
        self._receive = receive
        self._send = send
        self._held = self._answered = False

    async def take(self) -> None:
        try:
            await self._admission.enter()
        except Overloaded:
            raise _refusal(self._admission) from None
        self._held = True

    def give_up(self) -> None:
        if self._held:
            self._held = False
            self._admission.leave()

    async def receive(self) -> Message:
        if not self._held:
            return await self._receive()
        self._held = False
        self._admission.pause()
        try:
            return await self._receive()
        finally:
            if not self._answered:
                self._admission.resume()
                self._held = True

    async def send(self, message: Message) -> None:
        self._answered = True
        self.give_up()
        await self._send(message)
