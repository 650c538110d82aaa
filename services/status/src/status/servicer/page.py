"""neoforge.status.v1.PageService."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final

from chassis.access import ANYONE, allow
from chassis.convert import timestamp, to_enum
from chassis.database import Database
from chassis.errors import InvalidFields, Violation
from chassis.watching import Watches, lasting
from neoforge.status.v1 import page_pb2 as pb
from neoforge.status.v1 import page_pb2_grpc
from status import convert
from status.errors import ComponentNotFound
from status.model.overall import overall, state
from status.model.uptime import MAX_DAYS, bars, first_moment
from status.store import components, incidents, maintenances

_PAGE: Final = "page"
"""There is one page to watch."""


class PageServicer(page_pb2_grpc.PageServiceServicer):
    """Answers the calls of PageService from PostgreSQL; `now` tells the time."""

    def __init__(self, database: Database, watches: Watches, now: Callable[[], datetime]) -> None:
        self._database = database
        self._watched = watches.over(self._look)
        self._now = now

    @allow(ANYONE)
    async def GetPage(self, request: pb.GetPageRequest, context: Any) -> pb.GetPageResponse:
        return await self._page()

    @lasting
    @allow(ANYONE)
    async def WatchPage(self, request: pb.WatchPageRequest, context: Any) -> AsyncIterator[pb.WatchPageResponse]:
        async with self._watched.of(_PAGE):
            page = await self._watched.state(_PAGE)
            while True:
                yield pb.WatchPageResponse(page=page)
                page = await self._watched.other_than(page, _PAGE)

    async def _look(self, watched: Collection[str]) -> Mapping[str, pb.GetPageResponse]:
        """Read the page: it changes with the clock too, so there is nothing smaller by which to know that it has."""
        return {_PAGE: await self._page()}

    async def _page(self) -> pb.GetPageResponse:
        now = self._now()
        async with self._database.connection() as connection:
            groups = await components.list_groups(connection)
            found = await components.all_with_last(connection)
            opened = await incidents.list_open(connection)
            windows = await maintenances.list_ahead(connection, now)
            told_at = await incidents.changed_at(connection)
            begun = await maintenances.list_begun(connection, now)
        states = [state(component, last, windows, now) for component, last in found]
        indicator = overall([one.status for one in states], opened, windows, now)
        changed = [
            *(group.updated_at for group in groups),
            *(moment for one in states for moment in (one.component.updated_at, one.since)),
            *(incident.updated_at for incident in opened),
            *([told_at] if told_at else []),
            *(window.changed_at(now) for window in (*windows, *begun)),
        ]
        return pb.GetPageResponse(
            indicator=to_enum(pb.Indicator, indicator),
            description=indicator.description,
            groups=map(convert.group_proto, groups),
            components=map(convert.state_proto, states),
            incidents=map(convert.incident_proto, opened),
            maintenances=[convert.window_proto(window, now) for window in windows],
            updated_at=timestamp(max(changed)) if changed else None,
        )

    @allow(ANYONE)
    async def GetUptime(self, request: pb.GetUptimeRequest, context: Any) -> pb.GetUptimeResponse:
        id_, days, now = (
            convert.optional_uuid(request.component_id, "component_id"),
            request.days or MAX_DAYS,
            self._now(),
        )
        if not 1 <= days <= MAX_DAYS:
            raise InvalidFields.of([Violation("days", f"must be from 1 to {MAX_DAYS}")])
        since = first_moment(now, days)
        async with self._database.connection() as connection:
            one = await components.get(connection, id_) if id_ else None
            if id_ and one is None:
                raise ComponentNotFound
            shown = [one] if one else [component for component, _ in await components.all_with_last(connection)]
            events = await components.events_since(connection, since, id_)
            windows = await maintenances.list_since(connection, since, now)
        uptimes = []
        for component in shown:
            covering = [window for window in windows if component.id in window.component_ids]
            uptimes.append(convert.uptime_proto(component.id, bars(events.get(component.id, []), covering, now, days)))
        return pb.GetUptimeResponse(components=uptimes)
