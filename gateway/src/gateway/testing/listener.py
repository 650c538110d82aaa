"""A client of streams of events (HTML Standard, 9.2.6)."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import httpx

from chassis.testing.waiting import wait_for

LONG_S: Final = 60.0


@dataclass
class Event:
    """What came, by the names of its fields."""

    fields: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """From where to go on after it."""
        return self.fields.get("id", "")

    @property
    def name(self) -> str:
        """What happened."""
        return self.fields.get("event", "")

    @property
    def data(self) -> Any:
        """Read its data as JSON."""
        return json.loads(self.fields["data"])


class Listener:
    """Follows a stream in a thread of its own while it is entered.

    `events` are those with data so far, `last_id` is what a client would come back with; `ended` tells whether the
    stream has ended, and `broken` whether it just broke off.
    """

    def __init__(self, client: httpx.Client, path: str, last_event_id: str = "", **headers: str) -> None:
        self.events: list[Event] = []
        self.comments = 0
        self.ended = False
        self.broken = False
        self.last_id = last_event_id
        given = headers | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        timeout = httpx.Timeout(LONG_S, read=LONG_S)
        self._request = client.build_request("GET", path, headers=given, timeout=timeout)
        self._client = client
        self.answer: httpx.Response
        self.retry = ""

    def __enter__(self) -> Self:
        self.answer = self._client.send(self._request, stream=True)
        if self.answer.status_code != HTTPStatus.OK:
            raise AssertionError(self.answer.read())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        network = self.answer.extensions["network_stream"]
        with contextlib.suppress(OSError):
            network.get_extra_info("socket").shutdown(socket.SHUT_RDWR)  # wakes the reader, wherever it is
        self._thread.join(LONG_S)
        self.answer.close()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for line in self.answer.iter_lines():
                name, _, value = line.partition(":")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    fields[name] = value.removeprefix(" ")
                else:
                    self._take(Event(fields))
                    fields = {}
        except (httpx.HTTPError, httpx.StreamError):
            self.broken = True
        self.ended = True

    def _take(self, event: Event) -> None:
        self.retry = event.fields.get("retry", self.retry)
        self.last_id = event.id or self.last_id
        if "data" in event.fields:
            self.events.append(event)

    def until(self, condition: Callable[["Listener"], Any], what: str = "an event") -> Any:
        """Wait until the condition holds of this."""
        return wait_for(lambda: condition(self), LONG_S, what=what)
