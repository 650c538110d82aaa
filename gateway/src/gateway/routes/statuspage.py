"""The public API of Atlassian Statuspage (version 2), so that programs that read such pages read this one unchanged.

Source: https://metastatuspage.com/api and the answers of pages that it serves. Groups stand among the components, as
there. The shape leaves no room for the age of an answer: that of the last good one stands in its headers alone.
"""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from gateway.call import Call
from gateway.operations import Operations
from gateway.representation import Answer, tag_of
from gateway.routes.status_page import public_read, stubs
from gateway.routes.statuspage_json import components_of, incident_of, maintenance_of, page_of, status_of
from neoforge.status.v1 import incidents_pb2, maintenances_pb2
from neoforge.status.v1 import page_pb2 as pb

statuspage: Final = Operations("statuspage", group="status")

_ROOT: Final = "/api/v2"
_MOST: Final = 50


class Document(BaseModel):
    """An answer in the shape of Statuspage's public API."""

    model_config = ConfigDict(extra="allow")

    page: dict[str, Any]


_DECLARED: Final = public_read(Document, embedded=True)


@statuspage.serve(_ROOT + "/summary.json", _DECLARED)
async def statuspage_summary(call: Call) -> Answer:
    """Read everything: status, components, open incidents, maintenance that is open or to come."""
    page = await _page(call)
    return _answer(
        call,
        page,
        components=components_of(page),
        incidents=[incident_of(incident, page) for incident in page.incidents],
        scheduled_maintenances=[maintenance_of(window, page) for window in page.maintenances],
        status=status_of(page),
    )


@statuspage.serve(_ROOT + "/status.json", _DECLARED)
async def statuspage_status(call: Call) -> Answer:
    """Read how everything fares."""
    page = await _page(call)
    return _answer(call, page, status=status_of(page))


@statuspage.serve(_ROOT + "/components.json", _DECLARED)
async def statuspage_components(call: Call) -> Answer:
    """Read the components."""
    page = await _page(call)
    return _answer(call, page, components=components_of(page))


@statuspage.serve(_ROOT + "/incidents.json", _DECLARED)
async def statuspage_incidents(call: Call) -> Answer:
    """Read the newest 50 incidents."""
    page = await _page(call)
    request = incidents_pb2.ListIncidentsRequest(page_size=_MOST)
    reply = (await call.ask(stubs(call).incidents.ListIncidents, request)).message
    return _answer(call, page, incidents=[incident_of(incident, page) for incident in reply.incidents])


@statuspage.serve(_ROOT + "/incidents/unresolved.json", _DECLARED)
async def statuspage_unresolved_incidents(call: Call) -> Answer:
    """Read the open incidents."""
    page = await _page(call)
    return _answer(call, page, incidents=[incident_of(incident, page) for incident in page.incidents])


@statuspage.serve(_ROOT + "/scheduled-maintenances.json", _DECLARED)
async def statuspage_maintenances(call: Call) -> Answer:
    """Read the latest 50 windows of maintenance."""
    page = await _page(call)
    request = maintenances_pb2.ListMaintenancesRequest(page_size=_MOST)
    reply = (await call.ask(stubs(call).maintenances.ListMaintenances, request)).message
    return _answer(call, page, scheduled_maintenances=[maintenance_of(window, page) for window in reply.maintenances])


@statuspage.serve(_ROOT + "/scheduled-maintenances/upcoming.json", _DECLARED)
async def statuspage_upcoming_maintenances(call: Call) -> Answer:
    """Read the maintenance that is to come."""
    return await _ahead(call, maintenances_pb2.MAINTENANCE_STATUS_SCHEDULED)


@statuspage.serve(_ROOT + "/scheduled-maintenances/active.json", _DECLARED)
async def statuspage_active_maintenances(call: Call) -> Answer:
    """Read the maintenance that is open."""
    return await _ahead(call, maintenances_pb2.MAINTENANCE_STATUS_IN_PROGRESS)


async def _ahead(call: Call, status: int) -> Answer:
    page = await _page(call)
    wanted = [maintenance_of(window, page) for window in page.maintenances if window.status == status]
    return _answer(call, page, scheduled_maintenances=wanted)


async def _page(call: Call) -> pb.GetPageResponse:
    page: pb.GetPageResponse = (await call.ask(stubs(call).page.GetPage, pb.GetPageRequest())).message
    return page


def _answer(call: Call, page: pb.GetPageResponse, **members: Any) -> Answer:
    body = to_json({"page": page_of(page, call.parts.settings.public_url), **members})
    return Answer(body, tag=tag_of(body))
