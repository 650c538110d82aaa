"""The rule of the whole, tried on everything that can be the case."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from status.model.components import Component, Event, Source, Status
from status.model.incidents import Impact, Incident, Progress
from status.model.maintenances import Window
from status.model.overall import Indicator, overall, state

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOBODY = UUID(int=0)
HOUR = timedelta(hours=1)
TROUBLE = [Status.OPERATIONAL, Status.DEGRADED, Status.PARTIAL_OUTAGE, Status.MAJOR_OUTAGE]

statuses = st.lists(st.sampled_from(Status), max_size=8)


def incident(progress: Progress, impact: Impact) -> Incident:
    over = NOW if progress is Progress.RESOLVED else None
    return Incident(uuid4(), "Slow", progress, impact, (), (), NOW, NOW, None, over, 1)


def window(starts: int, ends: int, *component_ids: UUID) -> Window:
    return Window(uuid4(), "Disks", "", component_ids, NOW + starts * HOUR, NOW + ends * HOUR, NOW, NOW, 1)


incidents = st.lists(st.builds(incident, st.sampled_from(Progress), st.sampled_from(Impact)), max_size=4)
windows = st.lists(
    st.tuples(st.integers(-5, 5), st.integers(1, 5)).map(lambda p: window(p[0], p[0] + p[1])), max_size=3
)


@given(statuses, incidents, windows)
def test_all_is_well_exactly_when_nothing_says_otherwise(
    found: list[Status], told: list[Incident], planned: list[Window]
) -> None:
    well = (
        all(status is Status.OPERATIONAL for status in found)
        and all(one.impact is Impact.NONE for one in told if one.is_open)
        and not any(one.starts_at <= NOW < one.ends_at for one in planned)
    )
    assert (overall(found, told, planned, NOW) is Indicator.NONE) == well


@given(statuses, incidents, windows)
def test_an_open_incident_of_impact_major_is_at_least_major_whatever_components_say(
    found: list[Status], told: list[Incident], planned: list[Window]
) -> None:
    told.append(incident(Progress.INVESTIGATING, Impact.MAJOR))
    assert overall(found, told, planned, NOW) >= Indicator.MAJOR


@given(statuses, incidents, windows)
def test_what_is_resolved_and_what_is_planned_or_over_counts_nothing(
    found: list[Status], told: list[Incident], planned: list[Window]
) -> None:
    counted = overall(found, told, planned, NOW)
    more = [*told, incident(Progress.RESOLVED, Impact.CRITICAL)]
    assert overall(found, more, [*planned, window(1, 2), window(-2, 0)], NOW) is counted


@given(statuses, incidents, windows, st.randoms())
def test_the_order_counts_nothing(
    found: list[Status], told: list[Incident], planned: list[Window], chance: object
) -> None:
    counted = overall(found, told, planned, NOW)
    for listed in (found, told, planned):
        chance.shuffle(listed)  # type: ignore[attr-defined] # hypothesis's Random
    assert overall(found, told, planned, NOW) is counted


@given(st.lists(st.sampled_from(TROUBLE), min_size=1, max_size=6), incidents, st.data())
def test_it_never_looks_better_when_a_component_gets_worse(
    found: list[Status], told: list[Incident], data: st.DataObject
) -> None:
    before = overall(found, told, [], NOW)
    i = data.draw(st.integers(0, len(found) - 1))
    found[i] = TROUBLE[min(TROUBLE.index(found[i]) + 1, len(TROUBLE) - 1)]
    assert overall(found, told, [], NOW) >= before


def component(id_: UUID) -> Component:
    return Component(id_, "api", "API", "", None, 0, NOW - 10 * HOUR, NOW - 10 * HOUR, 1)


def event(component_id: UUID, status: Status, at: datetime) -> Event:
    return Event(uuid4(), component_id, status, "said", Source.PERSON, None, NOBODY, at)


@given(st.sampled_from(Status), st.integers(-5, -1), st.integers(-6, 6), st.integers(1, 4))
def test_a_component_is_in_maintenance_while_a_window_covers_it_unless_worse_was_said_since(
    status: Status, said: int, starts: int, length: int
) -> None:
    id_ = uuid4()
    planned = window(starts, starts + length, id_)
    found = state(component(id_), event(id_, status, NOW + said * HOUR), [planned, window(-1, 1, uuid4())], NOW)
    covers = starts <= 0 < starts + length
    worse = status in TROUBLE[1:] and said >= starts
    assert found.status is (Status.MAINTENANCE if covers and not worse else status)
    assert found.since <= NOW
