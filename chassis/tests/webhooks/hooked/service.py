from pathlib import Path

from chassis.database import Connection
from chassis.jobs.declaration import Jobs
from chassis.jobs.outbox import Outbox
from chassis.service import Service
from chassis.webhooks.notice import Disabled
from chassis.webhooks.settings import WebhookSettings
from chassis.webhooks.wiring import ServiceWebhooks
from hooked.tables import idempotency_keys, job_tables, metadata, webhook_tables


class Hooked(Service[WebhookSettings]):
    @property
    def version(self) -> str:
        return "0"


async def notify(tx: Connection, outbox: Outbox, disabled: Disabled) -> None:
    payload = {"contact": disabled.contact, "origin": disabled.origin, "reason": disabled.reason.value}
    await outbox.put(tx, "hooked.told", payload)


WEBHOOKS = ServiceWebhooks(webhook_tables, ("thing.made", "thing.gone"), notify)

jobs = Jobs[WebhookSettings]()
jobs.include(WEBHOOKS.jobs)

SERVICE = Hooked(
    name="hooked",
    settings=WebhookSettings,
    tables=metadata,
    idempotency_keys=idempotency_keys,
    job_tables=job_tables,
    migrations=Path(__file__).parent / "migrations",
    descriptors=[],
    build=lambda _: [],
    jobs=jobs,
)
