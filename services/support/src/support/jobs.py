"""What the support service does later."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from chassis.jobs.declaration import Jobs
from chassis.jobs.work import Work
from support.clock import utc_now
from support.model.message import MAX_ATTACHMENT_BYTES
from support.records import Records
from support.settings import Settings
from support.storage import storage_of
from support.storage.incoming import Incoming
from support.store import threads, tickets

jobs = Jobs[Settings]()

BATCH: Final = 100
ORPHAN_AGE: Final = timedelta(days=1)
"""More than any upload takes: until then a content without a row may be one whose row is being written."""


@jobs.periodic("ticket.note_breaches", every=timedelta(seconds=15))
async def note_breaches(work: Work[Settings], now: Callable[[], datetime] = utc_now) -> None:
    """Write down which targets were missed; readers see it at once, histories and events by this."""
    records, moment = Records(work.house.outbox), now()
    more = True
    while more:
        async with work.house.database.transaction() as tx:
            missed = await tickets.missed(tx, moment, BATCH)
            for ticket in missed:
                await records.missed(tx, ticket, ticket.at(moment))
        more = len(missed) == BATCH


@jobs.periodic("attachment.remove_orphans", every=timedelta(hours=1), timeout_s=600, slow=True)
async def remove_orphans(work: Work[Settings], now: Callable[[], datetime] = utc_now) -> None:
    """Remove contents that no row tells of, and uploads that broke off with their process."""
    settings, before = work.house.settings, now() - ORPHAN_AGE
    await Incoming(settings.folder, MAX_ATTACHMENT_BYTES).forget(before)
    storage = storage_of(settings)
    async for ids in storage.older_than(before):
        async with work.house.database.connection() as connection:
            known = await threads.known_attachments(connection, ids)
        for orphan in set(ids) - known:
            await storage.remove(orphan)
