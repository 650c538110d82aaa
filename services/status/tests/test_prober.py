"""The prober as it runs: against real servers on loopback, its results written by the real job."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from chassis.house import House
from chassis.identity import NOBODY
from chassis.service import RunningService, Service
from chassis.testing.client import Client
from chassis.testing.conventions import deviations
from chassis.testing.jobs import JobRunner
from chassis.testing.receiver import Receiver, answer
from chassis.testing.spans import Spans
from neoforge.status.v1 import components_pb2 as components_pb
from neoforge.status.v1 import events_pb2
from status.prober.looking import Prober
from status.prober.targets import Target, why_not
from status.settings import Settings
from status.testing import Board

OPERATIONAL = components_pb.COMPONENT_STATUS_OPERATIONAL
MAJOR_OUTAGE = components_pb.COMPONENT_STATUS_MAJOR_OUTAGE


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def test_a_page_that_answers_is_well_and_one_that_fails_is_not(receiver: Receiver) -> None:
    prober, target = Prober(5, None), Target.parse(f"web={receiver.url}")
    assert await prober.look(target) == ""
    receiver.answers.extend([answer(302, location="http://169.254.169.254/"), answer(503), answer(404)])
    assert await prober.look(target) == ""
    assert await prober.look(target) == "it answered with status 503"
    assert await prober.look(target) == "it answered with status 404"
    assert len(receiver.arrived) == 4


async def test_what_stays_silent_is_given_up_in_time(receiver: Receiver) -> None:
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    receiver.answers.append(silent)
    assert await Prober(0.2, None).look(Target.parse(f"web={receiver.url}")) == "no answer within 0.2 s"


async def test_a_look_is_a_span_of_what_it_asks_without_the_query_of_its_address(
    receiver: Receiver, running: RunningService[Settings], settings: Settings, spans: Spans
) -> None:
    receiver.answers.append(answer(503))
    asked = [f"web={receiver.url}/up?key=S3CRET", f"db=tcp://127.0.0.1:{receiver.port}"]
    asked += [f"db=tcp://127.0.0.1:{closed_port()}", f"api=grpc://127.0.0.1:{running.port}"]
    with spans.cause():
        for target in asked:
            await Prober(5, settings.tls).look(Target.parse(target))
    made = spans.made()
    assert [(span.name, span.failed) for span in made] == [
        ("GET", True),
        ("connect", False),
        ("connect", True),
        ("grpc.health.v1.Health/Check", False),
    ]
    assert made[0].attributes["url.full"] == f"{receiver.url}/up"
    assert {fault for span in made for fault in deviations(span)} == set()


async def test_a_port_that_is_open_is_well_and_a_closed_one_is_not(receiver: Receiver) -> None:
    prober = Prober(5, None)
    assert await prober.look(Target.parse(f"db=tcp://127.0.0.1:{receiver.port}")) == ""
    assert (await prober.look(Target.parse(f"db=tcp://127.0.0.1:{closed_port()}"))) == (
        "no answer: the connection failed: connection refused"
    )


async def test_a_server_is_asked_for_its_health_over_mutual_tls(
    running: RunningService[Settings], settings: Settings
) -> None:
    prober = Prober(5, settings.tls)
    for part in ("", "/database"):
        assert await prober.look(Target.parse(f"api=grpc://127.0.0.1:{running.port}{part}")) == ""
    assert "NOT_FOUND" in await prober.look(Target.parse(f"api=grpc://127.0.0.1:{running.port}/nothing"))
    await running.health.drain()
    assert await prober.look(Target.parse(f"api=grpc://127.0.0.1:{running.port}")) == "it says NOT_SERVING"


async def test_a_name_that_leads_to_a_metadata_service_is_not_looked_at(receiver: Receiver) -> None:
    async def resolve(host: str, port: int) -> Any:
        return [ip_address("169.254.169.254")]

    target = Target.parse(f"web=http://metadata.example.test:{receiver.port}/")
    assert await Prober(5, None, resolve).look(target) == "the target leads to a link-local address"
    assert await Prober(5, None).look(Target.parse("web=http://169.254.169.254/")) == (
        "the target leads to a link-local address"
    )


@pytest.mark.parametrize(
    ("address", "open_"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("192.168.1.1", True),
        ("fd00::1", True),
        ("93.184.216.34", True),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("::ffff:169.254.169.254", False),
        ("fe80::1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
    ],
)
def test_an_operators_own_network_is_open_and_what_nobody_means_is_not(address: str, open_: bool) -> None:
    assert (why_not(ip_address(address)) is None) == open_


@pytest.mark.parametrize(
    "target",
    [
        "web",
        "=http://x",
        "Web=http://x",
        "web=ftp://x",
        "web=tcp://x",
        "web=grpc://x",
        "web=http://u:p@x",
        "web=http://x#y",
    ],
)
def test_a_target_that_cannot_be_read_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Target.parse(target)


def test_a_component_is_watched_by_one_target(settings: Settings) -> None:
    with pytest.raises(ValidationError, match="each component once"):
        Settings.model_validate({**settings.model_dump(), "probes": "api=tcp://x:1,api=tcp://y:1"})


@pytest.fixture
def probed(house: House[Settings], service: Service[Settings]) -> Callable[..., Awaitable[None]]:
    """Runs the prober for some runs, 30 seconds apart, or for the run that was due so many runs after the first."""
    due = count()

    async def run(*targets: str, times: int = 1, run: int | None = None) -> None:
        settings = house.settings.model_copy(update={"probes": tuple(map(Target.parse, targets))})
        runner = JobRunner(service, replace(house, settings=settings))
        for _ in range(times):
            due_at = datetime(2026, 11, 25, tzinfo=UTC) + (next(due) if run is None else run) * timedelta(seconds=30)
            async with house.database.transaction() as tx:
                await house.outbox.put(tx, "status.probe", {"due_at": due_at.isoformat()})
            ran = await runner()
            assert [one.outcome for one in ran if one.kind == "status.probe"] == ["succeeded"]

    return run


async def events(call: Client) -> list[tuple[int, int]]:
    """What was said of components, the oldest first."""
    listed = await call(NOBODY, "ListEvents", events_pb2.ListEventsRequest(page_size=100))
    return [(event.status, event.source) for event in reversed(listed.events)]


async def test_a_target_becomes_a_component_that_goes_down_and_comes_up_after_its_patience(
    board: Board, call: Client, probed: Callable[..., Awaitable[None]], receiver: Receiver
) -> None:
    up, down = f"own-api={receiver.url}", f"own-api=tcp://127.0.0.1:{closed_port()}"
    await probed(up)
    [state] = (await board.page()).components
    assert (state.component.slug, state.component.name, state.status) == ("own-api", "Own api", OPERATIONAL)
    await probed(down, times=2)
    assert await board.statuses() == {"own-api": OPERATIONAL}
    await probed(down)
    assert await board.statuses() == {"own-api": MAJOR_OUTAGE}
    await probed(down, times=2)
    await probed(up)
    assert await board.statuses() == {"own-api": MAJOR_OUTAGE}
    await probed(up)
    assert await board.statuses() == {"own-api": OPERATIONAL}
    system, prober = events_pb2.EVENT_SOURCE_SYSTEM, events_pb2.EVENT_SOURCE_PROBER
    assert await events(call) == [(OPERATIONAL, system), (MAJOR_OUTAGE, prober), (OPERATIONAL, prober)]


async def test_what_a_person_said_is_not_overwritten_and_maintenance_is_left_alone(
    board: Board, call: Client, probed: Callable[..., Awaitable[None]], receiver: Receiver
) -> None:
    api, web = await board.component("api"), await board.component("web")
    await board.says(api, components_pb.COMPONENT_STATUS_PARTIAL_OUTAGE)
    await board.window(web, starts=timedelta(0), ends=timedelta(hours=1))
    before = await events(call)
    down = closed_port()
    await probed(f"api={receiver.url}", f"web=tcp://127.0.0.1:{down}", times=5)
    await probed(f"api=tcp://127.0.0.1:{down}", f"web=tcp://127.0.0.1:{down}", times=5)
    assert await events(call) == before


async def test_a_run_counts_once_and_one_that_comes_late_not_at_all(
    board: Board, probed: Callable[..., Awaitable[None]]
) -> None:
    down = f"api=tcp://127.0.0.1:{closed_port()}"
    await probed(down, times=2)
    await probed(down, times=3, run=1)
    await probed(down, times=3, run=0)
    assert await board.statuses() == {"api": OPERATIONAL}
    await probed(down)
    assert await board.statuses() == {"api": MAJOR_OUTAGE}
