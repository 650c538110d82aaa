"""What a service declares to have webhooks: its tables and its events; everything else follows from its house."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from chassis.house import House
from chassis.jobs.declaration import SLOW, Jobs, Queue
from chassis.jobs.work import Work
from chassis.webhooks.endpoint_store import EndpointStore
from chassis.webhooks.management import Webhooks
from chassis.webhooks.message_store import MessageStore
from chassis.webhooks.model import Rules
from chassis.webhooks.notice import Notify
from chassis.webhooks.sealing import Seal
from chassis.webhooks.settings import WebhookSettings
from chassis.webhooks.tables import Tables
from chassis.webhooks.turns import DELIVER
from chassis.webhooks.underway import UnderWay

if TYPE_CHECKING:
    from chassis.webhooks.delivery import Deliveries

WEBHOOKS: Final = Queue("webhooks", lambda settings: int(settings.webhook_concurrency))
"""Of the attempts alone: they wait for strangers, and nothing else may wait behind them."""

_PURGED_AT_ONCE: Final = 1_000
_MOST_PURGES: Final = 200
"""Rounds of one run; what is left then goes in the next one."""


class ServiceWebhooks:
    """The webhooks of a service, declared once beside its tables.

    `jobs` are included among the service's; `of` gives its servicers what they manage endpoints and announce events by.
    `notify` tells the contact of an endpoint that was disabled; a service without mail has none.
    """

    def __init__(self, tables: Tables, event_types: tuple[str, ...], notify: Notify | None = None) -> None:
        self.event_types = event_types
        self._notify = notify
        self._endpoints = EndpointStore(tables)
        self._messages = MessageStore(tables)
        self._under_way = UnderWay()
        self.jobs = Jobs[WebhookSettings]()
        # An attempt may take 60 s by setting; what fails here is ours (the database), not the receiver.
        self.jobs.job(DELIVER, timeout_s=90, queue=WEBHOOKS)(self._deliver)
        self.jobs.periodic("webhook.purge", every=timedelta(hours=1), timeout_s=600, queue=SLOW)(self._purge)

    def of(self, house: House[WebhookSettings]) -> Webhooks:
        """Give the webhooks as this process works with them."""
        settings = house.settings
        return Webhooks(
            endpoints=self._endpoints,
            messages=self._messages,
            seal=Seal(settings.webhook_keys),
            outbox=house.outbox,
            cursors=house.cursors,
            rules=Rules(self.event_types, settings.webhook_https_only, settings.webhook_allowed_networks),
        )

    def deliveries(self, house: House[WebhookSettings]) -> "Deliveries":
        """Give what makes the attempts."""
        # Imported here, since a server should not carry the HTTP client's memory.
        from chassis.webhooks.delivery import Deliveries  # noqa: PLC0415
        from chassis.webhooks.outbound import OutboundClient  # noqa: PLC0415
        from chassis.webhooks.verdict import Patience  # noqa: PLC0415

        settings = house.settings
        return Deliveries(
            database=house.database,
            outbox=house.outbox,
            endpoints=self._endpoints,
            messages=self._messages,
            seal=Seal(settings.webhook_keys),
            under_way=self._under_way,
            at_once=settings.webhook_concurrency_per_owner,
            client=OutboundClient(allowed=settings.webhook_allowed_networks, timeout_s=settings.webhook_timeout_s),
            patience=Patience(
                settings.webhook_retry_delays_s,
                settings.webhook_disable_after_failures,
                timedelta(hours=settings.webhook_disable_after_hours),
            ),
            notify=self._notify,
            send_traceparent=settings.webhook_send_traceparent,
        )

    async def _deliver(self, work: Work[WebhookSettings]) -> None:
        message_id, turn = UUID(work.payload["message_id"]), int(work.payload["turn"])
        await self.deliveries(work.house).attempt(message_id, turn, work.finish)

    async def _purge(self, work: Work[WebhookSettings]) -> None:
        now = datetime.now(UTC)
        before = now - timedelta(days=work.house.settings.webhook_retention_days)
        for _ in range(_MOST_PURGES):
            async with work.house.database.transaction() as tx:
                if not await self._messages.purge(tx, before=before, now=now, limit=_PURGED_AT_ONCE):
                    return
