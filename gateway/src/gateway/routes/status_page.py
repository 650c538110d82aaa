"""The status page as a whole: how everything fares, the daily bars, badges and the feed; for anyone."""

import re
from typing import Annotated, Any, Final

from fastapi import Path, Query
from pydantic_core import to_json

from gateway.atom import MEDIA_TYPE as ATOM
from gateway.call import Call
from gateway.declaration import Declaration, Kind, Tagged
from gateway.operations import Operations
from gateway.problems import Problem
from gateway.representation import Answer, tag_of
from gateway.routes import status_page_models as models
from gateway.routes.status_badge import SVG, badge
from gateway.routes.status_feed import feed
from gateway.routes.status_json import FRESH, INDICATOR_NAMES, STATUS_NAMES, page_json, uptime_json
from gateway.routes.status_stubs import StatusStubs
from gateway.streams.events import Event
from gateway.streams.feed import Feed
from gateway.streams.operation import follow
from neoforge.status.v1 import incidents_pb2
from neoforge.status.v1 import page_pb2 as pb

page: Final = Operations("status")

ROOT: Final = "/api/v1/status"
COMPONENT: Final = ROOT + "/components/{component_id:id}"
_FEED: Final = ROOT + "/feed.atom"
_FEED_ENTRIES: Final = 50
_TAG: Final = re.compile("[0-9a-f]{32}")

ComponentId = Annotated[str, Path(description="The component's id.", json_schema_extra={"format": "uuid"})]


def stubs(call: Call) -> StatusStubs:
    """Give the status service."""
    return call.parts.service(StatusStubs)


def public_read(answers: Any, media_type: str = "application/json", **more: Any) -> Declaration:
    """Declare a read for anyone, whose last good answer outlives the service."""
    return Declaration(
        Kind.READ,
        "GET",
        answers,
        tagged=Tagged.CONTENT,
        public=True,
        outlives_service=True,
        media_type=media_type,
        **more,
    )


def shown(value: dict[str, Any]) -> Answer:
    """Answer a public read that says of its age that it is new."""
    body = to_json(value | FRESH)
    return Answer(body, tag=tag_of(body))


@page.serve(ROOT, public_read(models.StatusPage))
async def get_status(call: Call) -> Answer:
    """Read how everything fares: all components, the open incidents, the maintenance that is open or to come."""
    return shown(page_json((await call.ask(stubs(call).page.GetPage, pb.GetPageRequest())).message))


@follow(page, ROOT + "/stream", public=True)
async def watch_status(call: Call) -> Feed:
    """Follow how everything fares: the page at once, unless it is the one of `Last-Event-ID`, and whenever it changes.

    Each event is called `status`, holds what `GET /api/v1/status` answers, and has its ETag as id.
    """
    return Feed(stubs(call).page.WatchPage, lambda _: pb.WatchPageRequest(), _page_event, _TAG, shared=True)


def _page_event(told: pb.WatchPageResponse) -> Event:
    answer = shown(page_json(told.page))
    return Event(answer.tag or "", "status", answer.body)


@page.serve(ROOT + "/uptime", public_read(models.AllUptimes))
async def list_uptimes(call: Call, query: Annotated[models.UptimeQuery, Query()]) -> Answer:
    """Read how every component fared on each of the last days (UTC)."""
    reply = await call.ask(stubs(call).page.GetUptime, pb.GetUptimeRequest(days=query.days))
    return shown({"components": [uptime_json(component) for component in reply.message.components]})


@page.serve(COMPONENT + "/uptime", public_read(models.OneUptime))
async def get_uptime(call: Call, component_id: ComponentId, query: Annotated[models.UptimeQuery, Query()]) -> Answer:
    """Read how a component fared on each of the last days (UTC)."""
    request = pb.GetUptimeRequest(component_id=component_id, days=query.days)
    reply = await call.ask(stubs(call).page.GetUptime, request)
    return shown(uptime_json(reply.message.components[0]))


@page.serve(ROOT + "/badge.svg", public_read(None, SVG, embedded=True))
async def get_status_badge(call: Call) -> Answer:
    """Read how everything fares as a badge, an SVG image."""
    reply = (await call.ask(stubs(call).page.GetPage, pb.GetPageRequest())).message
    body = badge("status", reply.description, INDICATOR_NAMES[reply.indicator])
    return Answer(body, tag=tag_of(body), media_type=SVG)


@page.serve(COMPONENT + "/badge.svg", public_read(None, SVG, embedded=True))
async def get_component_badge(call: Call, component_id: ComponentId) -> Answer:
    """Read how a component fares as a badge, an SVG image."""
    reply = (await call.ask(stubs(call).page.GetPage, pb.GetPageRequest())).message
    found = next((state for state in reply.components if state.component.id == component_id), None)
    if found is None:
        raise Problem("NOT_FOUND", "There is no such component.")
    status = STATUS_NAMES[found.status]
    body = badge(found.component.name, status.replace("_", " "), status)
    return Answer(body, tag=tag_of(body), media_type=SVG)


@page.serve(_FEED, public_read(None, ATOM, embedded=True))
async def read_status_feed(call: Call) -> Answer:
    """Read the newest 50 incidents as an Atom feed (RFC 4287)."""
    request = incidents_pb2.ListIncidentsRequest(page_size=_FEED_ENTRIES)
    reply = (await call.ask(stubs(call).incidents.ListIncidents, request)).message
    public_url = call.parts.settings.public_url
    body = feed(reply.incidents, address=public_url + _FEED, public_url=public_url)
    return Answer(body, tag=tag_of(body), media_type=ATOM)
