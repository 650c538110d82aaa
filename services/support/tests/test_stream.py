"""A ticket's stream over the whole way: client, gateway, a service that dies, PostgreSQL."""

import signal
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chassis.embedded.certificates import Authority
from chassis.embedded.redis import Redis
from chassis.identity import Caller
from chassis.testing.process import ServiceProcess, environment
from chassis.testing.waiting import wait_for
from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer
from gateway.testing.listener import Listener
from gateway.testing.watching import bodies

TICKETS = "/api/v1/support/tickets"
LONG_S = 60.0


class Replaceable:
    """The service as a process on one port, which can die and be there again."""

    def __init__(self, settings: Any) -> None:
        self._variables = environment(settings)
        self._process = ServiceProcess("support", "serve", self._variables).serving()
        self.port = self._process.port
        self._variables["NEOFORGE_LISTEN"] = f"127.0.0.1:{self.port}"

    def die(self) -> None:
        with self._process:
            self._process.send(signal.SIGKILL)
            self._process.ended()

    def begin(self) -> None:
        self._process = ServiceProcess("support", "serve", self._variables).serving()

    def close(self) -> None:
        with self._process:
            pass


@pytest.fixture
def process(settings: Any) -> Iterator[Replaceable]:
    process = Replaceable(settings)
    yield process
    process.close()


@pytest.fixture
def issuer() -> Iterator[StandInIssuer]:
    issuer = StandInIssuer()
    yield issuer
    issuer.stop()


@pytest.fixture
def edge(process: Replaceable, issuer: StandInIssuer, redis_server: Redis, authority: Authority) -> Iterator[Edge]:
    identity = authority.issue("gateway")
    edge = Edge(
        redis_server.url,
        issuer,
        support_target=f"127.0.0.1:{process.port}",
        tls_ca=identity.authority,
        tls_certificate=identity.certificate,
        tls_key=identity.key,
        call_timeout_s=30.0,
    )
    edge.start()
    yield edge
    edge.stop()


def client(edge: Edge, issuer: StandInIssuer, caller: Caller) -> httpx.Client:
    token = issuer.token(str(caller.subject), roles=sorted(caller.roles))
    return httpx.Client(base_url=edge.url, timeout=LONG_S, headers={"Authorization": f"Bearer {token}"})


def test_a_stream_outlives_the_death_of_its_service_and_tells_everything_once(
    edge: Edge, process: Replaceable, issuer: StandInIssuer, mara: Caller, tomas: Caller
) -> None:
    with client(edge, issuer, mara) as mine, client(edge, issuer, tomas) as agents:
        opened = mine.post(TICKETS, json={"subject": "Broken", "body": "Help"}, headers={"Idempotency-Key": '"opened"'})
        ticket = f"{TICKETS}/{opened.json()['id']}"
        numbers = [str(number) for number in range(30)]
        written: list[str] = []

        def write() -> None:
            for number in numbers:
                reply = {"body": number, "internal": False}
                key = {"Idempotency-Key": f'"reply-{number}"'}
                wait_for(
                    lambda: agents.post(f"{ticket}/messages", json=reply, headers=key).is_success,  # noqa: B023 - at once
                    LONG_S,
                    what=f"reply {number}",
                )
                written.append(number)

        writing = threading.Thread(target=write)
        with Listener(mine, f"{ticket}/stream") as listener:
            listener.until(lambda it: it.events)
            writing.start()
            listener.until(lambda it: len(bodies(it)) >= 10)
            process.die()
            process.begin()
            writing.join(2 * LONG_S)
            listener.until(lambda it: len(bodies(it)) >= len(numbers), "the last reply")
            assert not listener.ended
    assert written == numbers
    assert bodies(listener) == numbers
    assert [event.name for event in listener.events] == ["ticket", *["replied"] * len(numbers)]
