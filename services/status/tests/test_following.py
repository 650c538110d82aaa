"""Following the page: what it shows, at once and whenever that is something else."""

import asyncio
from contextlib import aclosing
from datetime import timedelta
from typing import Self

from chassis import cancelling
from chassis.identity import NOBODY
from chassis.rpc.client import watch
from chassis.service import RunningService
from chassis.testing.client import Client
from chassis.testing.waiting import until
from neoforge.status.v1 import components_pb2, incidents_pb2, page_pb2
from neoforge.status.v1.page_pb2_grpc import PageServiceStub
from status.settings import Settings
from status.testing import Board, Clock

LONG_S = 60.0


class Follower:
    """Follows the page in a task of its own; `pages` are those that came so far, `ended` whether it ended well."""

    def __init__(self, call: Client) -> None:
        self.pages: list[page_pb2.GetPageResponse] = []
        self.ended = False
        rpc = PageServiceStub(call.channel).WatchPage
        self._messages = watch(rpc, page_pb2.WatchPageRequest(), caller=NOBODY, request_id="watch")

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        await until(lambda: self.pages, LONG_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancelling.end(self._task)

    async def _listen(self) -> None:
        async with aclosing(self._messages) as messages:
            async for message in messages:
                self.pages.append(message.page)
        self.ended = True

    async def sees(self, indicator: page_pb2.Indicator.ValueType) -> page_pb2.GetPageResponse:
        """Give the page as soon as the last one that came has this indicator."""
        await until(lambda: self.pages[-1].indicator == indicator, LONG_S)
        return self.pages[-1]


async def shown(call: Client) -> page_pb2.GetPageResponse:
    page: page_pb2.GetPageResponse = await call(NOBODY, "GetPage", page_pb2.GetPageRequest())
    return page


async def test_who_follows_the_page_gets_it_as_a_read_would_whenever_it_changes(call: Client, board: Board) -> None:
    component = await board.component()
    async with Follower(call) as follower:
        assert follower.pages == [await shown(call)]
        await board.says(component, components_pb2.COMPONENT_STATUS_MAJOR_OUTAGE)
        assert await follower.sees(page_pb2.INDICATOR_CRITICAL) == await shown(call)
        await board.says(component, components_pb2.COMPONENT_STATUS_OPERATIONAL)
        await follower.sees(page_pb2.INDICATOR_NONE)
        incident = await board.incident(impact=incidents_pb2.IMPACT_MAJOR)
        page = await follower.sees(page_pb2.INDICATOR_MAJOR)
        assert [one.title for one in page.incidents] == ["Slow answers"]
        await board.tell(incident, "Found it.")
        await until(lambda: len(follower.pages[-1].incidents[0].updates) > 1, LONG_S)
    assert all(page != after for page, after in zip(follower.pages, follower.pages[1:], strict=False))


async def test_maintenance_that_begins_and_ends_by_the_clock_is_told(call: Client, board: Board, clock: Clock) -> None:
    component = await board.component()
    await board.window(component, starts=timedelta(hours=1), ends=timedelta(hours=2))
    async with Follower(call) as follower:
        assert follower.pages[-1].indicator == page_pb2.INDICATOR_NONE
        clock.passes(minutes=90)
        await follower.sees(page_pb2.INDICATOR_MAINTENANCE)
        clock.passes(hours=1)
        await follower.sees(page_pb2.INDICATOR_NONE)


async def test_who_begins_while_others_follow_gets_the_page_as_it_is_now(call: Client, board: Board) -> None:
    component = await board.component()
    async with Follower(call):
        await board.says(component, components_pb2.COMPONENT_STATUS_DEGRADED)
        async with Follower(call) as late:
            assert late.pages[0] == await shown(call)


async def test_a_replica_that_ends_lets_who_follows_go_at_once(call: Client, running: RunningService[Settings]) -> None:
    async with Follower(call) as follower:
        running.house.watches.end()
        await until(lambda: follower.ended, LONG_S)
