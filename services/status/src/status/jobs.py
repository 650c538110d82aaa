"""What the status service does later: telling subscribers, probing, forgetting."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from chassis.jobs.declaration import Jobs
from chassis.jobs.work import Work
from chassis.mail.addresses import Address, Mailbox
from chassis.webhooks.model import Event as WebhookEvent
from chassis.webhooks.notice import by_mail
from chassis.webhooks.wiring import ServiceWebhooks
from status.clock import utc_now
from status.mails import MAILS
from status.model.subscribers import CONFIRM_WITHIN
from status.prober.verdicts import conclude, watched
from status.records import MAIL, WEBHOOK, Records
from status.settings import Settings
from status.store import subscribers
from status.tables import webhook_tables
from status.told import EVENT_TYPES

WEBHOOKS: Final = ServiceWebhooks(webhook_tables, EVENT_TYPES, by_mail(MAILS, "/api/v1/status/webhooks"))
BATCH: Final = 200

jobs = Jobs[Settings]()
jobs.include(WEBHOOKS.jobs)
jobs.include(MAILS.jobs)


@jobs.job(MAIL, timeout_s=60)
async def mail_subscribers(work: Work[Settings]) -> None:
    """Leave a mail for each of the next confirmed subscribers, and the rest for a message that follows."""
    outbox, payload = work.house.outbox, work.payload
    async with work.finish() as tx:
        batch = await subscribers.list_confirmed(tx, _id(payload.get("after")), BATCH)
        for subscriber in batch:
            await MAILS.put(
                tx,
                outbox,
                to=Mailbox("", Address.parse(subscriber.email)),
                template=payload["template"],
                language=subscriber.language,
                context={**payload["context"], "subscriber_id": str(subscriber.id)},
            )
        if len(batch) == BATCH:
            await outbox.put(tx, MAIL, {**payload, "after": str(batch[-1].id)})


@jobs.job(WEBHOOK, timeout_s=60)
async def tell_webhooks(work: Work[Settings]) -> None:
    """Announce an event to the webhooks of the next people who have any, and the rest by a message that follows."""
    webhooks, payload = WEBHOOKS.of(work.house), work.payload
    async with work.finish() as tx:
        owners = await subscribers.list_webhook_owners(tx, _id(payload.get("after")), BATCH)
        for owner in owners:
            await webhooks.announce(tx, owner, WebhookEvent(payload["type"], work.created_at, payload["data"]))
        if len(owners) == BATCH:
            await work.house.outbox.put(tx, WEBHOOK, {**payload, "after": str(owners[-1])})


@jobs.periodic("subscriber.forget", every=timedelta(hours=1))
async def forget_unconfirmed(work: Work[Settings], now: Callable[[], datetime] = utc_now) -> None:
    """Remove the addresses that never confirmed."""
    forgotten = True
    while forgotten:
        async with work.house.database.connection() as connection:
            forgotten = bool(await subscribers.forget(connection, now() - CONFIRM_WITHIN))


@jobs.periodic("status.probe", every=lambda settings: timedelta(seconds=settings.probe_interval_seconds), timeout_s=120)
async def probe(work: Work[Settings], now: Callable[[], datetime] = utc_now) -> None:
    """Look at every target, then write down what follows, once however often this run is tried."""
    # Imported here, since a server should not carry the HTTP client's memory.
    from status.prober.looking import Prober  # noqa: PLC0415

    settings, due_at = work.house.settings, datetime.fromisoformat(work.payload["due_at"])
    prober = Prober(settings.probe_timeout_seconds, settings.tls)
    problems = await asyncio.gather(*(prober.look(target) for target in settings.probes))
    async with work.finish() as tx:
        records, found = Records(work.house.outbox), []
        for target, problem in zip(settings.probes, problems, strict=True):
            component = await watched(tx, records, target.slug, now())
            if component is not None:
                found.append((component.id, problem))
        for component_id, problem in sorted(found):  # the order in which everyone locks components
            await conclude(tx, records, component_id, problem, settings.patience, due_at=due_at, now=now())


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None
