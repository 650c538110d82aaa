"""A version moves if and only if the content does."""

import asyncio

from chassis.testing.acting import Actor
from chassis.testing.specimen import Specimen


async def test_a_change_moves_the_version_by_one_and_a_change_of_nothing_keeps_all_as_it_was(
    act: Actor, specimen: Specimen
) -> None:
    made = await act.made()
    changed = specimen.resource(await act(specimen.change(made.id, 1)))
    assert changed.version == made.version + 1
    same = specimen.resource(await act(specimen.change(made.id, 1)))
    assert same == changed
    assert specimen.resource(await act(specimen.read(made.id))) == changed
    back = specimen.resource(await act(specimen.change(made.id, 2)))
    assert back.version == changed.version + 1


async def test_concurrent_changes_each_move_the_version(act: Actor, specimen: Specimen) -> None:
    made = await act.made()
    replies = await asyncio.gather(*(act(specimen.change(made.id, n)) for n in range(1, 11)))
    versions = sorted(specimen.resource(reply).version for reply in replies)
    assert versions == list(range(made.version + 1, made.version + 11))


async def test_reading_and_listing_move_nothing(act: Actor, specimen: Specimen) -> None:
    made = await act.made()
    await act(specimen.listing(10, ""))
    assert specimen.resource(await act(specimen.read(made.id))) == made
