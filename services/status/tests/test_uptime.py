"""The daily bars, tried on any history."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.identity import NOBODY
from chassis.testing.client import Client
from neoforge.status.v1 import components_pb2 as components_pb
from neoforge.status.v1 import page_pb2 as pb
from status.model.components import Event, Source, Status
from status.model.maintenances import Window
from status.model.uptime import DAY, MAX_DAYS, bars, first_moment, uptime
from status.testing import Board, Clock

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ID = uuid4()

minutes = st.integers(-100 * 24 * 60, 24 * 60)


def events(*said: tuple[timedelta, Status]) -> list[Event]:
    return [Event(uuid4(), ID, status, "", Source.PERSON, None, None, NOW + at) for at, status in said]


def window(starts: timedelta, ends: timedelta) -> Window:
    return Window(uuid4(), "Disks", "", (ID,), NOW + starts, NOW + ends, NOW, NOW, 1)


histories = st.lists(st.tuples(minutes, st.sampled_from(Status)), max_size=12, unique_by=lambda one: one[0]).map(
    lambda said: events(*((timedelta(minutes=at), status) for at, status in sorted(said, key=lambda one: one[0])))
)
plans = st.lists(
    st.tuples(minutes, st.integers(1, 40 * 24 * 60)).map(
        lambda one: window(timedelta(minutes=one[0]), timedelta(minutes=one[0] + one[1]))
    ),
    max_size=4,
)


def status_at(said: Sequence[Event], planned: Sequence[Window], moment: datetime) -> Status | None:
    """What the bars must say of a moment, found the slow way."""
    before = [event for event in said if event.created_at <= moment]
    if not before or moment >= NOW:
        return None
    if any(one.starts_at <= moment < one.ends_at for one in planned):
        return Status.MAINTENANCE
    return before[-1].status


@given(histories, plans, st.integers(1, MAX_DAYS))
def test_each_day_has_24_hours_and_each_of_them_what_was_said_of_it(
    said: list[Event], planned: list[Window], count: int
) -> None:
    days = bars(said, planned, NOW, count)
    assert [day.date for day in days] == [NOW.date() - timedelta(days=i) for i in reversed(range(count))]
    start = first_moment(NOW, count)
    for i in {0, count // 2, count - 1}:
        day = days[i]
        assert day.no_data + sum(day.spent.values(), timedelta(0)) == DAY
        assert all(length > timedelta(0) for length in day.spent.values())
        assert day.no_data >= timedelta(0)
        # Every change is on a full minute: 1,440 looks tell the whole day.
        begun = start + i * DAY
        slow: dict[Status | None, timedelta] = {}
        for minute in range(24 * 60):
            found = status_at(said, planned, begun + minute * timedelta(minutes=1))
            slow[found] = slow.get(found, timedelta(0)) + timedelta(minutes=1)
        assert day.no_data == slow.pop(None, timedelta(0))
        assert dict(day.spent) == slow


@given(histories, plans)
def test_a_share_is_one_of_what_was_measured_or_none(said: list[Event], planned: list[Window]) -> None:
    days = bars(said, planned, NOW, MAX_DAYS)
    measured = any(status is not Status.MAINTENANCE for day in days for status in day.spent)
    share = uptime(days)
    assert (share is not None) == measured
    assert share is None or 0 <= share <= 1


def test_days_before_the_component_existed_are_no_data_and_not_counted() -> None:
    days = bars(events((-HOUR, Status.OPERATIONAL)), [], NOW, MAX_DAYS)
    assert [day.uptime for day in days[:-1]] == [None] * (MAX_DAYS - 1)
    assert all(day.no_data == DAY for day in days[:-1])
    assert days[-1].spent == {Status.OPERATIONAL: HOUR}
    assert uptime(days) == 1.0


def test_today_counts_up_to_now_and_the_rest_is_no_data() -> None:
    [today] = bars(events((-30 * DAY, Status.OPERATIONAL), (-3 * HOUR, Status.MAJOR_OUTAGE)), [], NOW, 1)
    assert today.spent == {Status.OPERATIONAL: 9 * HOUR, Status.MAJOR_OUTAGE: 3 * HOUR}
    assert today.no_data == 12 * HOUR
    assert today.uptime == pytest.approx(0.75)


def test_an_outage_over_midnight_is_of_both_days_in_utc() -> None:
    said = events((-20 * DAY, Status.OPERATIONAL), (-13 * HOUR, Status.MAJOR_OUTAGE), (-11 * HOUR, Status.OPERATIONAL))
    yesterday, today = bars(said, [], NOW, 2)
    assert (yesterday.date, yesterday.spent[Status.MAJOR_OUTAGE]) == (date(2026, 3, 28), HOUR)
    assert (today.date, today.spent[Status.MAJOR_OUTAGE]) == (date(2026, 3, 29), HOUR)


def test_a_major_outage_counts_whole_and_a_partial_one_by_30_per_cent_and_degraded_not() -> None:
    def share(status: Status) -> float | None:
        return uptime(bars(events((-10 * HOUR, Status.OPERATIONAL), (-5 * HOUR, status)), [], NOW, 1))

    assert share(Status.MAJOR_OUTAGE) == pytest.approx(0.5)
    assert share(Status.PARTIAL_OUTAGE) == pytest.approx(0.85)
    assert share(Status.DEGRADED) == 1.0


def test_maintenance_is_no_downtime_whoever_says_so() -> None:
    out = events((-10 * HOUR, Status.OPERATIONAL), (-4 * HOUR, Status.MAJOR_OUTAGE))
    [day] = bars(out, [window(-4 * HOUR, -2 * HOUR), window(-3 * HOUR, HOUR)], NOW, 1)
    assert day.spent == {Status.OPERATIONAL: 6 * HOUR, Status.MAINTENANCE: 4 * HOUR}
    assert day.uptime == 1.0
    assert uptime(bars(events((-HOUR, Status.MAINTENANCE)), [], NOW, 1)) is None


async def test_the_service_tells_90_days_of_one_component_or_of_all(board: Board, call: Client, clock: Clock) -> None:
    api, web = await board.component("api"), await board.component("web")
    clock.passes(days=2)
    await board.says(api, components_pb.COMPONENT_STATUS_MAJOR_OUTAGE)
    clock.passes(days=1)
    await board.says(api, components_pb.COMPONENT_STATUS_OPERATIONAL)
    clock.passes(days=1)

    async def told(**asked: Any) -> list[pb.ComponentUptime]:
        return list((await call(NOBODY, "GetUptime", pb.GetUptimeRequest(**asked))).components)

    [of_api] = await told(component_id=api.id)
    assert len(of_api.days) == MAX_DAYS
    assert of_api.uptime == pytest.approx(0.75, abs=0.001)
    assert of_api.days[-2].major_outage_s + of_api.days[-3].major_outage_s + of_api.days[-1].major_outage_s == (
        pytest.approx(86_400, abs=5)
    )
    assert not of_api.days[0].HasField("uptime")
    assert of_api.days[0].no_data_s == 86_400
    assert {one.component_id: one.uptime == 1.0 for one in await told(days=7)} == {api.id: False, web.id: True}
    assert [len(one.days) for one in await told(days=7)] == [7, 7]


async def test_what_was_said_last_before_the_first_day_holds_on_it(board: Board, call: Client, clock: Clock) -> None:
    api = await board.component()
    await board.says(api, components_pb.COMPONENT_STATUS_MAJOR_OUTAGE)
    clock.passes(days=200)
    [found] = (await call(NOBODY, "GetUptime", pb.GetUptimeRequest())).components
    assert found.uptime == 0.0
    assert found.days[0].major_outage_s == 86_400
