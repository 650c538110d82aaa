from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from neoforge.status.v1 import components_pb2, events_pb2, incidents_pb2, maintenances_pb2, page_pb2
from status.testing import Board, Clock

Refused = Callable[[Awaitable[Any]], Awaitable[str]]
OPERATIONAL = components_pb2.COMPONENT_STATUS_OPERATIONAL
DEGRADED = components_pb2.COMPONENT_STATUS_DEGRADED
MAJOR_OUTAGE = components_pb2.COMPONENT_STATUS_MAJOR_OUTAGE
MAINTENANCE = components_pb2.COMPONENT_STATUS_MAINTENANCE


async def test_an_empty_page_is_all_well(board: Board) -> None:
    page = await board.page(NOBODY)
    assert (page.indicator, page.description) == (page_pb2.INDICATOR_NONE, "All Systems Operational")
    assert not page.components


async def test_a_new_component_is_operational_from_its_creation_on(board: Board) -> None:
    made = await board.component("api", name="API", description="What you call.")
    [state] = (await board.page(NOBODY)).components
    assert state.component == made
    assert (state.status, state.since) == (OPERATIONAL, made.created_at)


async def test_an_event_changes_its_component_and_the_whole_at_once(board: Board) -> None:
    api, web = await board.component("api"), await board.component("web")
    await board.says(api, DEGRADED, "Slow.")
    page = await board.page(NOBODY)
    assert page.indicator == page_pb2.INDICATOR_MINOR
    [state] = [one for one in page.components if one.component.slug == "api"]
    assert (state.status, state.message) == (DEGRADED, "Slow.")
    await board.says(api, MAJOR_OUTAGE)
    assert (await board.page()).indicator == page_pb2.INDICATOR_MAJOR
    await board.says(web, MAJOR_OUTAGE)
    assert (await board.page()).indicator == page_pb2.INDICATOR_CRITICAL
    await board.says(api, OPERATIONAL)
    await board.says(web, OPERATIONAL)
    assert (await board.page()).indicator == page_pb2.INDICATOR_NONE


async def test_an_open_incident_of_impact_major_is_not_all_well_though_no_component_changed(board: Board) -> None:
    await board.component()
    incident = await board.incident(impact=incidents_pb2.IMPACT_MAJOR)
    page = await board.page(NOBODY)
    assert (page.indicator, page.description) == (page_pb2.INDICATOR_MAJOR, "Partial System Outage")
    assert [one.id for one in page.incidents] == [incident.id]
    await board.tell(incident, status=incidents_pb2.INCIDENT_STATUS_RESOLVED)
    page = await board.page(NOBODY)
    assert (page.indicator, list(page.incidents)) == (page_pb2.INDICATOR_NONE, [])


async def test_events_of_a_component_ascend_strictly_though_clocks_differ(board: Board, clock: Clock) -> None:
    api = await board.component()
    clock.passes(hours=1)
    first = await board.says(api, DEGRADED)
    clock.passes(hours=-1)
    second = await board.says(api, OPERATIONAL)
    assert second.created_at.ToDatetime() - first.created_at.ToDatetime() == timedelta(microseconds=1)
    assert (await board.statuses())["api"] == OPERATIONAL


async def test_events_are_listed_by_component_and_status_for_anyone(board: Board, call: Client) -> None:
    api, web = await board.component("api"), await board.component("web")
    for status in (DEGRADED, MAJOR_OUTAGE, DEGRADED):
        await board.says(api, status)
    await board.says(web, DEGRADED)

    async def count(**filters: Any) -> int:
        return len((await call(NOBODY, "ListEvents", events_pb2.ListEventsRequest(**filters))).events)

    assert await count() == 6  # each component has that of its creation too
    assert await count(component_id=api.id) == 4
    assert await count(status=DEGRADED) == 3
    assert await count(component_id=api.id, status=DEGRADED) == 2


async def test_a_window_opens_and_closes_by_itself(board: Board, clock: Clock) -> None:
    api = await board.component()
    window = await board.window(api, starts=timedelta(hours=1), ends=timedelta(hours=2))
    assert (window.status, window.version) == (maintenances_pb2.MAINTENANCE_STATUS_SCHEDULED, 1)
    assert (await board.statuses())["api"] == OPERATIONAL
    clock.passes(minutes=61)
    page = await board.page()
    assert (page.indicator, page.description) == (page_pb2.INDICATOR_MAINTENANCE, "Service Under Maintenance")
    assert [(one.status, one.version) for one in page.maintenances] == [
        (maintenances_pb2.MAINTENANCE_STATUS_IN_PROGRESS, 2)
    ]
    assert page.components[0].status == MAINTENANCE
    clock.passes(minutes=60)
    page = await board.page()
    assert (page.indicator, list(page.maintenances)) == (page_pb2.INDICATOR_NONE, [])
    assert page.components[0].status == OPERATIONAL


async def test_a_window_whose_start_is_past_is_in_progress_and_no_incident(board: Board, call: Client) -> None:
    window = await board.window(starts=timedelta(minutes=-1), ends=timedelta(hours=1))
    assert window.status == maintenances_pb2.MAINTENANCE_STATUS_IN_PROGRESS
    page = await board.page(NOBODY)
    assert ([one.id for one in page.maintenances], list(page.incidents)) == ([window.id], [])
    listed = await call(NOBODY, "ListIncidents", incidents_pb2.ListIncidentsRequest())
    assert list(listed.incidents) == []


async def test_windows_are_listed_by_where_the_clock_stands(board: Board, call: Client, clock: Clock) -> None:
    for hours in (-3, -1, 1):
        await board.window(starts=timedelta(hours=hours), ends=timedelta(hours=hours + 2), title=f"{hours}")

    async def titles(status: int) -> list[str]:
        request = maintenances_pb2.ListMaintenancesRequest(status=status)  # type: ignore[arg-type] # numbers of enums
        return [one.title for one in (await call(NOBODY, "ListMaintenances", request)).maintenances]

    assert [await titles(number) for number in range(4)] == [["1", "-1", "-3"], ["1"], ["-1"], ["-3"]]
    clock.passes(hours=2)
    assert [await titles(number) for number in range(4)] == [["1", "-1", "-3"], [], ["1"], ["-1", "-3"]]


async def test_a_window_that_is_moved_has_ever_higher_versions(board: Board, call: Client, clock: Clock) -> None:
    window = await board.window(starts=timedelta(hours=1), ends=timedelta(hours=2))
    clock.passes(hours=3)
    read = await call(NOBODY, "GetMaintenance", maintenances_pb2.GetMaintenanceRequest(id=window.id))
    assert read.maintenance.version == 3
    moved = maintenances_pb2.Maintenance(id=window.id)
    moved.starts_at.FromDatetime(clock() + timedelta(hours=1))
    moved.ends_at.FromDatetime(clock() + timedelta(hours=2))
    request = maintenances_pb2.UpdateMaintenanceRequest(
        maintenance=moved, update_mask=FieldMask(paths=["starts_at", "ends_at"]), expected_version=3
    )
    changed = (await call(board.admin, "UpdateMaintenance", request)).maintenance
    assert (changed.version, changed.status) == (4, maintenances_pb2.MAINTENANCE_STATUS_SCHEDULED)
    clock.passes(hours=1)
    read = await call(NOBODY, "GetMaintenance", maintenances_pb2.GetMaintenanceRequest(id=window.id))
    assert read.maintenance.version == 5


async def test_an_outage_during_maintenance_shows_and_one_from_before_does_not(board: Board) -> None:
    api, web = await board.component("api"), await board.component("web")
    await board.says(web, MAJOR_OUTAGE)
    await board.window(api, web, starts=timedelta(0), ends=timedelta(hours=1))
    await board.says(api, MAJOR_OUTAGE, "More than we planned.")
    assert await board.statuses() == {"api": MAJOR_OUTAGE, "web": MAINTENANCE}


async def test_people_read_and_agents_report_and_admins_manage(
    board: Board, call: Client, refused: Refused, mara: Caller, tomas: Caller
) -> None:
    api = await board.component()
    event = events_pb2.CreateEventRequest(component_id=api.id, status=DEGRADED)
    component = components_pb2.CreateComponentRequest(slug="web", name="Web")
    assert await refused(call(NOBODY, "CreateEvent", event)) == "UNAUTHENTICATED"
    assert await refused(call(mara, "CreateEvent", event)) == "FORBIDDEN"
    await call(tomas, "CreateEvent", event)
    assert await refused(call(tomas, "CreateComponent", component)) == "FORBIDDEN"
    await call(board.admin, "CreateComponent", component)


async def test_a_write_with_a_key_happens_once(board: Board, call: Client) -> None:
    api = await board.component()
    request = events_pb2.CreateEventRequest(component_id=api.id, status=DEGRADED)
    first = await call.full(board.admin, "CreateEvent", request, key="k1")
    again = await call.full(board.admin, "CreateEvent", request, key="k1")
    assert (first.replayed, again.replayed) == (False, True)
    assert first.message == again.message
    listed = await call(NOBODY, "ListEvents", events_pb2.ListEventsRequest(component_id=api.id))
    assert len(listed.events) == 2


async def test_what_does_not_exist_is_named(board: Board, call: Client, refused: Refused) -> None:
    nothing = "018f0000-0000-7000-8000-00000000dead"
    event = events_pb2.CreateEventRequest(component_id=nothing, status=DEGRADED)
    assert await refused(call(board.admin, "CreateEvent", event)) == "NOT_FOUND"
    assert await refused(call(NOBODY, "GetUptime", page_pb2.GetUptimeRequest(component_id=nothing))) == "NOT_FOUND"
    affected = [incidents_pb2.AffectedComponent(component_id=nothing)]
    assert await refused(board.incident(components=affected)) == "INVALID_FIELDS"
    assert await refused(board.component(group_id=nothing)) == "NOT_FOUND"
