"""What happens to a request for which this process has no time: it is refused while that is still cheap."""

import random
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.admission import Admission
from chassis.errors import Overloaded
from gateway.observation import UNSEEN
from gateway.problem_types import TYPES
from gateway.problems import Problem

_LONGEST_PAUSE_S: Final = 3
"""Who is refused is told to come back within this time, not all at once."""


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
            pause = random.randint(1, _LONGEST_PAUSE_S)  # noqa: S311 - spreads who comes back, guards nothing
            raise Problem("OVERLOADED", TYPES["OVERLOADED"].advice, headers=[(b"retry-after", b"%d" % pause)]) from None
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
