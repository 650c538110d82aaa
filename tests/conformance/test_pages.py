"""Pages that are followed by cursor cover every row exactly once, and a cursor opens its own list alone."""

import asyncio
import base64
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from chassis.errors import RemoteError
from chassis.paging import Cursors, Position
from chassis.testing.acting import Actor, Rows
from chassis.testing.plugin import PASSWORD
from chassis.testing.specimen import Specimen


async def many(act: Actor, specimen: Specimen, count: int) -> list[str]:
    return [made.id for made in await asyncio.gather(*(act.made(n) for n in range(count)))]


async def walk(act: Actor, listing: Callable[[int, str], Any], size: int, *, back: bool, cursor: str = "") -> list[Any]:
    """Give the replies from the cursor on to one end."""
    replies = []
    while True:
        replies.append(await act(listing(size, cursor)))
        cursor = replies[-1].page.previous_cursor if back else replies[-1].page.next_cursor
        if not cursor:
            return replies


def ids(specimen: Specimen, replies: list[Any], *, back: bool = False) -> list[str]:
    """Give the ids in the order of the list, however the pages were walked."""
    ordered = reversed(replies) if back else replies
    return [item.id for reply in ordered for item in specimen.items(reply)]


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("spacing", ["0", "0.333"], ids=["equal-keys", "a-third-of-a-microsecond-apart"])
async def test_rows_microseconds_apart_come_once_each_in_one_order_forward_and_back(
    act: Actor, specimen: Specimen, rows: Rows, size: int, spacing: str
) -> None:
    made = await many(act, specimen, 10)
    # Nothing here comes from outside.
    numbered = "(SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM {table}) AS numbered"
    await rows.ask(
        f"UPDATE {{table}} SET {specimen.order} = timestamptz '2026-01-01 00:00:00.000001+00'"  # noqa: S608 - as above
        f" + n * {spacing} * interval '1 microsecond' FROM {numbered} WHERE numbered.id = {{table}}.id"
    )
    forward = await walk(act, specimen.listing, size, back=False)
    assert sorted(ids(specimen, forward)) == sorted(made)
    first = await walk(act, specimen.listing, size, back=True, cursor=forward[-1].page.previous_cursor)
    assert ids(specimen, [forward[-1], *first], back=True) == ids(specimen, forward)
    assert [reply.page.page for reply in forward] == list(range(1, len(forward) + 1))
    assert [reply.page.page for reply in first] == list(range(len(first), 0, -1))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
async def test_rows_that_stay_come_exactly_once_whatever_is_inserted_and_deleted_meanwhile(
    act: Actor, specimen: Specimen, rows: Rows, seed: int, back: bool
) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    made = await many(act, specimen, 18)
    staying, going = set(made[::2]), made[1::2]
    chance.shuffle(going)
    at = (await walk(act, specimen.listing, 3, back=False))[-1].page.previous_cursor if back else ""
    seen: list[str] = [] if not back else ids(specimen, (await walk(act, specimen.listing, 3, back=False))[-1:])
    number = 100
    while True:
        reply = await act(specimen.listing(3, at))
        seen += ids(specimen, [reply])
        at = reply.page.previous_cursor if back else reply.page.next_cursor
        if not at:
            break
        for _ in range(chance.randrange(3)):
            if going and chance.random() < 0.6:
                await rows.ask("DELETE FROM {table} WHERE id = %s", going.pop())
            else:
                number += 1
                await act.made(number)
    assert [id_ for id_ in sorted(seen) if id_ in staying] == sorted(staying)
    assert len(seen) == len(set(seen))


async def test_a_list_that_shrank_to_nothing_before_a_cursor_goes_back_to_its_first_page(
    act: Actor, specimen: Specimen, rows: Rows
) -> None:
    await many(act, specimen, 6)
    second = (await walk(act, specimen.listing, 3, back=False))[1]
    first = await act(specimen.listing(3, second.page.previous_cursor))
    for item in specimen.items(first):
        await rows.ask("DELETE FROM {table} WHERE id = %s", item.id)
    again = await act(specimen.listing(3, second.page.previous_cursor))
    assert ids(specimen, [again]) == ids(specimen, [second])
    assert (again.page.page, again.page.previous_cursor) == (1, "")


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (10, 1), (11, 2)])
async def test_the_last_page_is_the_last(act: Actor, specimen: Specimen, count: int, pages: int) -> None:
    await many(act, specimen, count)
    replies = await walk(act, specimen.listing, 10, back=False)
    assert len(replies) == pages
    assert [(r.page.total, r.page.total_exact, r.page.page_size) for r in replies] == [(count, True, 10)] * pages
    assert all(specimen.items(reply) for reply in replies) or count == 0
    assert replies[0].page.previous_cursor == ""


async def test_a_cursor_opens_the_list_it_was_given_for_and_no_other(act: Actor, specimen: Specimen) -> None:
    await many(act, specimen, 4)
    cursor = (await act(specimen.listing(2, ""))).page.next_cursor
    assert len(specimen.items(await act(specimen.listing(2, cursor)))) == 2
    await refused(act, specimen.filtered(2, cursor))
    await refused(act, specimen.listing(2, cursor), specimen.other)
    filtered = (await act(specimen.filtered(2, ""))).page.next_cursor
    await refused(act, specimen.listing(2, filtered))
    other = Cursors(PASSWORD).write(Position((datetime.now(UTC), 1), backward=False, page=2), "another list")
    await refused(act, specimen.listing(2, other))


async def test_a_cursor_that_is_none_is_refused_by_name(act: Actor, specimen: Specimen) -> None:
    await many(act, specimen, 4)
    cursor = (await act(specimen.listing(2, ""))).page.next_cursor
    junk = base64.urlsafe_b64encode(random.Random(1).randbytes(60)).decode()  # noqa: S311 - junk
    broken = [cursor[:-1], cursor[1:], cursor + "A", cursor + "=", cursor[:8], cursor.swapcase(), f" {cursor}"]
    for invented in (*broken, junk, "123", "%00", "\x00", "null", "🚀", "A" * 10_000):
        await refused(act, specimen.listing(2, invented))


async def refused(act: Actor, ask: Any, caller: Any = None) -> None:
    with pytest.raises(RemoteError) as told:
        await act(ask, caller)
    assert (told.value.code, told.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_CURSOR")
