"""What follows from a look at a target: counts, and now and then an event."""

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import Connection
from status.model.components import MAX_COMPONENTS, Component, Source, Status
from status.model.maintenances import Phase
from status.model.watch import Patience, Result
from status.records import Records
from status.store import components, maintenances, watches


async def watched(tx: Connection, records: Records, slug: str, now: datetime) -> Component | None:
    """Give the component of a target, made when there is none yet; None when there is no room for one."""
    found = await components.by_slug(tx, slug)
    if found is None and await components.count(tx) < MAX_COMPONENTS:
        found = Component.new(id=uuid7(), now=now, slug=slug, name=slug.replace("-", " ").capitalize())
        await records.created(tx, found, None)
    return found


async def conclude(
    tx: Connection,
    records: Records,
    component_id: UUID,
    problem: str,
    patience: Patience,
    *,
    due_at: datetime,
    now: datetime,
) -> None:
    """Count a result, and write an event when it is time to say something; `problem` is empty for a success."""
    await components.get_for_change(tx, component_id)
    last = await components.last_event(tx, component_id)
    if last is None:
        return  # it was deleted just now
    seen = await watches.get(tx, component_id)
    if due_at <= seen.seen_at:
        return  # a later run was counted already
    watch = seen.after(Result(component_id, problem), last, due_at)
    await watches.put(tx, watch)
    windows = await maintenances.list_ahead(tx, now)
    in_maintenance = any(component_id in w.component_ids and w.phase(now) is Phase.IN_PROGRESS for w in windows)
    verdict = watch.verdict(last, patience, in_maintenance=in_maintenance)
    if verdict is not None:
        said = "It answers again." if verdict is Status.OPERATIONAL else f"The prober found: {problem}"
        await records.event(tx, component_id, verdict, now, message=said[:1_000], source=Source.PROBER)
