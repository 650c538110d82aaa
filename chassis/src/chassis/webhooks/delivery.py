"""One attempt at one message: sign, post, write down what came of it, and have the next one due.

The outbox row of an attempt names the message and its turn. What an attempt changes, it changes in one transaction
that takes the turn; so of two workers with the same row one is heard, and a worker that is killed leaves the turn to be
taken again. Only then can a receiver see a message twice, under the same `webhook-id`.
"""

import logging
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from opentelemetry.trace import SpanKind
from uuid_utils.compat import uuid7

from chassis import telemetry
from chassis.database import Connection, Database
from chassis.jobs.outbox import Outbox
from chassis.telemetry import propagator, tracer
from chassis.webhooks import metrics, retry, urls, verdict
from chassis.webhooks.endpoint_store import EndpointStore
from chassis.webhooks.message_store import MessageStore
from chassis.webhooks.model import Attempt, DisabledReason, Message, MessageState
from chassis.webhooks.notice import Disabled, Notify
from chassis.webhooks.outbound import OutboundClient, Refused, Unreachable
from chassis.webhooks.sealing import Seal
from chassis.webhooks.signature import signed_headers
from chassis.webhooks.turns import schedule
from chassis.webhooks.underway import UnderWay
from chassis.webhooks.verdict import Patience, Result, Verdict

log = logging.getLogger(__name__)

_AFTER_REST: Final = timedelta(seconds=10)
"""What waited for an endpoint's rest to end comes back within this, not all at once."""

_USER_AGENT: Final = "NeoForge-Webhooks/1.0"


class Finish(Protocol):
    """Opens the transaction of an attempt's effect, in which the outbox row is done with."""

    def __call__(self) -> AbstractAsyncContextManager[Connection]:
        """Open it."""


class Deliveries:
    """Makes the attempts of one service."""

    def __init__(
        self,
        *,
        database: Database,
        outbox: Outbox,
        endpoints: EndpointStore,
        messages: MessageStore,
        seal: Seal,
        under_way: UnderWay,
        at_once: int,
        client: OutboundClient,
        patience: Patience,
        notify: Notify | None,
        send_traceparent: bool,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._endpoints = endpoints
        self._messages = messages
        self._seal = seal
        self._under_way = under_way
        self._at_once = at_once
        self._client = client
        self._patience = patience
        self._notify = notify
        self._send_traceparent = send_traceparent

    async def attempt(self, message_id: UUID, turn: int, finish: Finish) -> None:
        """Take one turn of a message; nothing is sent when it was taken already or the endpoint is gone."""
        now = datetime.now(UTC)
        async with self._database.connection() as connection:
            message = await self._messages.due(connection, message_id, turn)
            sealed = await self._endpoints.live_secrets(connection, message.endpoint_id, now) if message else []
        # Without a secret the endpoint was deleted this very moment.
        if message is None or not sealed or not (message.enabled or message.is_test):
            await self._drop(message, now, finish)
            return
        if message.resting_until and message.resting_until > now and not message.is_test:
            await self._put_off(message, retry.spread(message.resting_until, _AFTER_REST), finish)
            return
        with self._under_way.place(message.owner_id, self._at_once) as free:
            if free:
                await self._try(message, sealed, now, finish)
        if not free:
            await self._put_off(message, retry.queue_again(message.created_at, now), finish)

    async def _try(self, message: Message, sealed: list[bytes], now: datetime, finish: Finish) -> None:
        started = time.perf_counter()
        result = await self._post(message, [self._seal.open(secret, message.endpoint_id) for secret in sealed], now)
        duration_s = time.perf_counter() - started
        metrics.delivery_duration.observe(duration_s)
        ended = datetime.now(UTC)
        decided = verdict.judge(message, result, ended, self._patience)
        attempt = Attempt(
            id=uuid7(),
            endpoint_id=message.endpoint_id,
            message_id=message.id,
            event_type=message.event_type,
            started_at=now,
            duration_ms=round(duration_s * 1000),
            status=result.status,
            error=result.error,
            response_excerpt=result.excerpt,
            next_attempt_at=decided.next_attempt_at,
        )
        await self._write_down(message, attempt, decided, ended, finish)

    async def _post(self, message: Message, secrets: list[str], now: datetime) -> Result:
        _, target = urls.parse(message.url)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": _USER_AGENT,
            **signed_headers(str(message.id), now, message.body, secrets),
        }
        attributes: dict[str, str | int] = {
            "http.request.method": "POST",
            "server.address": target.host.strip("[]"),
            "server.port": target.port,
            # What stands behind the origin is often a secret of the receiver.
            "url.full": f"{target.origin}/REDACTED",
            "neoforge.webhook.message_id": str(message.id),
            "neoforge.webhook.event_type": message.event_type,
        }
        if message.attempts:
            attributes["http.request.resend_count"] = message.attempts
        with tracer.start_as_current_span("POST", kind=SpanKind.CLIENT, attributes=attributes) as span:
            error_type = ""
            if self._send_traceparent:
                propagator.inject(headers)
            try:
                result = verdict.of_answer(await self._client.post(target, message.body.encode(), headers))
            except (Refused, Unreachable) as failed:
                error_type = type(failed).__name__
                result = Result(None, str(failed))
            if result.status is not None:
                span.set_attribute("http.response.status_code", result.status)
            if result.error:
                telemetry.fail(span, error_type or str(result.status), result.error)
        return result

    async def _write_down(
        self, message: Message, attempt: Attempt, decided: Verdict, now: datetime, finish: Finish
    ) -> None:
        disabled = None
        async with finish() as tx:
            if not await self._messages.conclude(tx, message, decided.state, now):
                return
            await self._messages.insert_attempt(tx, attempt)
            if decided.next_attempt_at:
                await schedule(self._outbox, tx, message.id, message.turn + 1, decided.next_attempt_at)
            if not message.is_test:
                disabled = await self._note_health(tx, message, decided, now)
        metrics.deliveries.labels(decided.outcome).inc()
        log.info(
            "a webhook attempt was %s",
            decided.outcome,
            extra={
                "message_id": str(message.id),
                "endpoint_id": str(message.endpoint_id),
                "event_type": message.event_type,
                "status": attempt.status,
                "error": attempt.error,
                "duration_ms": attempt.duration_ms,
            },
        )
        if disabled:
            metrics.endpoints_disabled.labels(disabled.value).inc()
            log.warning(
                "a webhook endpoint was disabled",
                extra={"endpoint_id": str(message.endpoint_id), "reason": disabled.value},
            )

    async def _note_health(
        self, tx: Connection, message: Message, decided: Verdict, now: datetime
    ) -> DisabledReason | None:
        """Note how the endpoint fares; give the reason if that disabled it."""
        if decided.state is MessageState.DELIVERED:
            await self._endpoints.note_success(tx, message.endpoint_id)
            return None
        failures, since = await self._endpoints.note_failure(tx, message.endpoint_id, now)
        if decided.gone:
            reason = DisabledReason.GONE
        elif self._patience.is_over(failures, since, now):
            reason = DisabledReason.FAILING
        else:
            rest = retry.rest(failures, now - since)
            if rest:
                await self._endpoints.rest(tx, message.endpoint_id, now + rest)
            return None
        if not await self._endpoints.disable(tx, message.endpoint_id, reason, now):
            return None
        if message.contact and self._notify:
            origin = urls.parse(message.url)[1].origin
            await self._notify(tx, self._outbox, Disabled(message.endpoint_id, message.contact, origin, reason))
        return reason

    async def _put_off(self, message: Message, until: datetime, finish: Finish) -> None:
        """Leave a turn for when the endpoint's rest is over or its owner's others are; that is no attempt."""
        async with finish() as tx:
            await schedule(self._outbox, tx, message.id, message.turn, until)
        metrics.deliveries.labels("put_off").inc()

    async def _drop(self, message: Message | None, now: datetime, finish: Finish) -> None:
        """Be done with a turn that nothing is sent for; a disabled endpoint's message can be replayed later."""
        async with finish() as tx:
            if message is None or not await self._messages.conclude(tx, message, MessageState.FAILED, now):
                return
        metrics.deliveries.labels("dropped").inc()
