from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import LimitReached
from chassis.identity import NOBODY
from chassis.testing.client import Client
from neoforge.status.v1 import components_pb2 as components_pb
from neoforge.status.v1 import events_pb2 as events_pb
from neoforge.status.v1 import incidents_pb2 as pb
from status.errors import IllegalMove
from status.model.incidents import MAX_UPDATES, Impact, Incident, Progress, Update
from status.testing import Board, Clock

Refused = Callable[[Awaitable[Any]], Awaitable[str]]
INVESTIGATING, IDENTIFIED, MONITORING, RESOLVED = range(1, 5)
DEGRADED = components_pb.COMPONENT_STATUS_DEGRADED
OPERATIONAL = components_pb.COMPONENT_STATUS_OPERATIONAL


async def test_an_incident_is_told_of_step_by_step(board: Board, call: Client, clock: Clock) -> None:
    opened = await board.incident("Slow answers", impact=pb.IMPACT_MINOR)
    assert (opened.status, opened.version, len(opened.updates)) == (INVESTIGATING, 1, 1)
    for status in (IDENTIFIED, MONITORING, RESOLVED):
        clock.passes(minutes=10)
        await board.tell(opened, f"Step {status}", status=status)
    read = (await call(NOBODY, "GetIncident", pb.GetIncidentRequest(id=opened.id))).incident
    assert [update.body for update in read.updates] == ["Step 4", "Step 3", "Step 2", "We look into it."]
    assert (read.status, read.version) == (RESOLVED, 4)
    assert read.monitoring_at == read.updates[1].created_at
    assert read.resolved_at == read.updates[0].created_at


@pytest.mark.parametrize("target", Progress)
@pytest.mark.parametrize("origin", [Progress.INVESTIGATING, Progress.IDENTIFIED, Progress.MONITORING])
def test_an_open_incident_moves_anywhere(origin: Progress, target: Progress) -> None:
    told = opened_as(origin).told(update(target), ())
    assert (told.status, told.version, len(told.updates)) == (target, 2, 2)
    assert (told.resolved_at is not None) == (target is Progress.RESOLVED)
    watched = target is Progress.MONITORING or (origin, target) == (Progress.MONITORING, Progress.RESOLVED)
    assert (told.monitoring_at is not None) == watched


@pytest.mark.parametrize("target", Progress)
def test_a_resolved_incident_moves_nowhere(target: Progress) -> None:
    with pytest.raises(IllegalMove):
        opened_as(Progress.RESOLVED).told(update(target), ())


def test_an_incident_has_so_many_updates_and_no_more() -> None:
    full = replace(opened_as(Progress.MONITORING), updates=(update(Progress.MONITORING),) * MAX_UPDATES)
    with pytest.raises(LimitReached):
        full.told(update(Progress.RESOLVED), ())


def update(status: Progress) -> Update:
    return Update(uuid4(), status, "News.", uuid4(), datetime.now(UTC))


def opened_as(status: Progress) -> Incident:
    return Incident.opened(id=uuid4(), title="Slow", impact=Impact.MINOR, affected=(), first=update(status))


async def test_an_update_of_what_is_resolved_is_refused_by_name(board: Board, refused: Refused) -> None:
    opened = await board.incident(status=RESOLVED)
    assert await refused(board.tell(opened, status=INVESTIGATING)) == "ILLEGAL_MOVE"


async def test_an_update_without_a_status_leaves_it(board: Board) -> None:
    opened = await board.incident(status=IDENTIFIED)
    assert (await board.tell(opened)).status == IDENTIFIED


async def test_an_incident_says_how_its_components_fare(board: Board, call: Client) -> None:
    api, web, mail = [await board.component(slug) for slug in ("api", "web", "mail")]
    affected = [
        pb.AffectedComponent(component_id=web.id, status=DEGRADED),
        pb.AffectedComponent(component_id=api.id),
    ]
    opened = await board.incident("Slow answers", components=affected)
    assert list(opened.component_ids) == [web.id, api.id]
    assert await board.statuses() == {"api": OPERATIONAL, "mail": OPERATIONAL, "web": DEGRADED}
    [said, _] = (await call(NOBODY, "ListEvents", events_pb.ListEventsRequest(component_id=web.id))).events
    assert (said.message, said.incident_id) == ("Slow answers", opened.id)
    more = [
        pb.AffectedComponent(component_id=web.id, status=OPERATIONAL),
        pb.AffectedComponent(component_id=mail.id, status=DEGRADED),
    ]
    told = await board.tell(opened, components=more)
    assert list(told.component_ids) == [web.id, api.id, mail.id]
    assert await board.statuses() == {"api": OPERATIONAL, "mail": DEGRADED, "web": OPERATIONAL}


async def test_a_refused_incident_leaves_nothing(board: Board, call: Client, refused: Refused) -> None:
    api = await board.component()
    affected = [
        pb.AffectedComponent(component_id=api.id, status=DEGRADED),
        pb.AffectedComponent(component_id=str(uuid4())),
    ]
    assert await refused(board.incident(components=affected)) == "INVALID_FIELDS"
    assert await refused(board.incident(components=affected[:1] * 2)) == "INVALID_FIELDS"
    assert await refused(board.incident(title=" ")) == "INVALID_FIELDS"
    assert await refused(board.incident(body="")) == "INVALID_FIELDS"
    assert list((await call(NOBODY, "ListIncidents", pb.ListIncidentsRequest())).incidents) == []
    assert (await board.statuses())["api"] == OPERATIONAL


async def test_an_incident_outlives_its_components(board: Board, call: Client) -> None:
    api = await board.component()
    opened = await board.incident(components=[pb.AffectedComponent(component_id=api.id, status=DEGRADED)])
    await call(board.admin, "DeleteComponent", components_pb.DeleteComponentRequest(id=api.id))
    read = (await call(NOBODY, "GetIncident", pb.GetIncidentRequest(id=opened.id))).incident
    assert list(read.component_ids) == [api.id]
    assert (await board.tell(opened)).version == 2


async def test_open_incidents_are_listed_by_status_and_impact(board: Board, call: Client) -> None:
    for status, impact in ((INVESTIGATING, 2), (MONITORING, 3), (RESOLVED, 3)):
        await board.incident(f"{status}-{impact}", status=status, impact=impact)

    async def titles(**filters: Any) -> list[str]:
        found = (await call(NOBODY, "ListIncidents", pb.ListIncidentsRequest(**filters))).incidents
        return [one.title for one in found]

    assert await titles() == ["4-3", "3-3", "1-2"]
    assert await titles(open=True) == ["3-3", "1-2"]
    assert await titles(impact=pb.IMPACT_MAJOR) == ["4-3", "3-3"]
    assert await titles(open=True, impact=pb.IMPACT_MAJOR) == ["3-3"]
    assert await titles(status=pb.INCIDENT_STATUS_RESOLVED, impact=pb.IMPACT_MAJOR) == ["4-3"]
    assert await titles(open=True, status=pb.INCIDENT_STATUS_RESOLVED) == []


async def test_an_update_for_another_version_is_refused(board: Board, call: Client, refused: Refused) -> None:
    opened = await board.incident()
    await board.tell(opened, expected_version=1)
    assert await refused(board.tell(opened, expected_version=1)) == "VERSION_MISMATCH"
    request = pb.UpdateIncidentRequest(
        incident=pb.Incident(id=opened.id, title="Slower answers"),
        update_mask=FieldMask(paths=["title"]),
        expected_version=2,
    )
    assert (await call(board.admin, "UpdateIncident", request)).incident.version == 3
    assert await refused(call(board.admin, "UpdateIncident", request)) == "VERSION_MISMATCH"


async def test_text_comes_back_as_it_went_in(board: Board, call: Client) -> None:
    for text in ("🚀 أحمد\u202e", "<script>alert(1)</script>", "'; DROP TABLE incidents; --", "a\nb\tc"):
        opened = await board.incident(body=text)
        read = (await call(NOBODY, "GetIncident", pb.GetIncidentRequest(id=opened.id))).incident
        assert read.updates[0].body == text


async def test_nul_is_refused_by_name(board: Board, refused: Refused) -> None:
    assert await refused(board.incident(body="a\0b")) == "INVALID_FIELDS"
