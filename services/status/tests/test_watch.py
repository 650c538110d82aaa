"""The prober's patience: nothing flaps, and what people say stands."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from status.model.components import Event, Source, Status
from status.model.watch import Patience, Result, Watch

START = datetime(2026, 11, 25, tzinfo=UTC)
ID = uuid4()
STEP = timedelta(seconds=30)
PATIENCE = Patience(failures=3, successes=2)


def event(status: Status, source: Source, at: datetime) -> Event:
    return Event(uuid4(), ID, status, "", source, None, None, at)


def watched(results: str, first: Event | None = None, *, in_maintenance: bool = False) -> list[tuple[int, Status]]:
    """Run the prober over results (`.` good, `x` bad) and give what it said, and at which."""
    last = first or event(Status.OPERATIONAL, Source.SYSTEM, START - STEP)
    watch, said = Watch(ID, 0, 0, datetime(1970, 1, 1, tzinfo=UTC)), []
    for i, result in enumerate(results):
        at = START + i * STEP
        watch = watch.after(Result(ID, "" if result == "." else "no answer"), last, at)
        verdict = watch.verdict(last, PATIENCE, in_maintenance=in_maintenance)
        if verdict:
            last = event(verdict, Source.PROBER, at)
            said.append((i, verdict))
    return said


@pytest.mark.parametrize("results", ["." * 9, "xx.xx.xx.xx.", ".x" * 9, ""])
def test_fewer_failures_in_a_row_than_it_takes_say_nothing(results: str) -> None:
    assert watched(results) == []


def test_failures_in_a_row_make_an_outage_and_successes_in_a_row_end_it() -> None:
    assert watched("..xxxx.x.xx..x") == [(4, Status.MAJOR_OUTAGE), (12, Status.OPERATIONAL)]


@given(st.text("x.", max_size=60))
def test_it_says_by_turns_that_it_is_out_and_back_never_sooner_than_its_patience(results: str) -> None:
    said = watched(results)
    assert [status for _, status in said] == [Status.MAJOR_OUTAGE, Status.OPERATIONAL] * (len(said) // 2) + (
        [Status.MAJOR_OUTAGE] * (len(said) % 2)
    )
    for (before, _), (after, status) in pairwise(said):
        assert after - before >= (PATIENCE.successes if status is Status.OPERATIONAL else PATIENCE.failures)


@pytest.mark.parametrize("status", [Status.PARTIAL_OUTAGE, Status.MAJOR_OUTAGE, Status.MAINTENANCE])
@given(results=st.text("x.", max_size=20))
def test_an_outage_or_maintenance_that_a_person_told_of_stays_theirs(status: Status, results: str) -> None:
    assert watched(results, event(status, Source.PERSON, START - STEP)) == []


def test_what_a_person_says_gives_a_component_its_patience_anew() -> None:
    watch = Watch(ID, 5, 0, START)
    said = event(Status.OPERATIONAL, Source.PERSON, START + STEP / 2)
    watch = watch.after(Result(ID, "no answer"), said, START + STEP)
    assert (watch.failures, watch.verdict(said, PATIENCE, in_maintenance=False)) == (1, None)


def test_during_maintenance_it_says_nothing_and_right_after_what_it_saw() -> None:
    assert watched("xxxxxx", in_maintenance=True) == []
    last = event(Status.OPERATIONAL, Source.SYSTEM, START - STEP)
    watch = Watch(ID, 6, 0, START)
    assert watch.verdict(last, PATIENCE, in_maintenance=False) is Status.MAJOR_OUTAGE


def test_a_degraded_component_that_stops_answering_is_out() -> None:
    assert watched("xxx", event(Status.DEGRADED, Source.PERSON, START - STEP)) == [(2, Status.MAJOR_OUTAGE)]
