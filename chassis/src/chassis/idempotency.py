"""Writes that happen once: key, fingerprint and reply are recorded in the same transaction as the effect.

Source: draft-ietf-httpapi-idempotency-key-header-07. A key lives in the scope (caller, method, key). While its first
request runs, two transaction-scoped advisory locks stand for it: one for the key, one for the key with its payload.
They vanish with the transaction, however that ends, so a killed process leaves nothing behind; and the second one tells
a waiting repetition (409 while it runs) from another payload (422 at once).
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import psycopg
import sqlalchemy as sa
from google.protobuf.message import Message

from chassis import call as calls
from chassis import metrics
from chassis.call import Call
from chassis.database import Connection, Statement, statement
from chassis.errors import IdempotencyInFlight, IdempotencyKeyReused

M = TypeVar("M", bound=Message)

WAIT_MS: Final = 1_000
"""How long a repetition waits for the first request before it is told that it is still in flight."""


def table(metadata: sa.MetaData) -> sa.Table:
    """The table of recorded replies; every service has one in its schema."""
    return sa.Table(
        "idempotency_keys",
        metadata,
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "method", "key", name="idempotency_keys_pkey"),
        sa.Index("idempotency_keys_expires_at_idx", "expires_at"),
    )


class Idempotency:
    """The recorded replies of one service.

    A handler asks for `replay` first in its transaction and calls `record` last:

        earlier = await self.idempotency.replay(tx, CreateThingResponse)
        if earlier:
            return earlier
        ...
        return await self.idempotency.record(tx, reply)

    Both do nothing for a call without a key.
    """

    def __init__(self, keys: sa.Table, ttl: timedelta) -> None:
        self._ttl = ttl
        self._lock_payload = _lock("payload", "SELECT pg_try_advisory_xact_lock(:payload) AS taken")
        self._lock_key = _lock("key", "SELECT pg_try_advisory_xact_lock(:key) AS taken")
        self._bound_wait = _lock("wait", f"SELECT set_config('lock_timeout', '{WAIT_MS}', true)")
        self._await_payload = _lock("payload", "SELECT pg_advisory_xact_lock(:payload)")
        scope = sa.and_(
            keys.c.caller == sa.bindparam("caller"),
            keys.c.method == sa.bindparam("method"),
            keys.c.key == sa.bindparam("key"),
        )
        self._find = statement(
            sa.select(keys.c.fingerprint, keys.c.reply).where(scope, keys.c.expires_at > sa.bindparam("now")),
            "SELECT idempotency_keys",
        )
        self._forget = statement(sa.delete(keys).where(scope), "DELETE idempotency_keys")
        self._insert = statement(sa.insert(keys), "INSERT idempotency_keys")
        self._schema = keys.schema or ""

    async def replay(self, tx: Connection, reply: type[M]) -> M | None:
        """Take the key of the current call for this transaction, or give the reply that its first call had.

        Raises:
            IdempotencyKeyReused: the key came before with another payload, even if that is still running.
            IdempotencyInFlight: the first call with this key and payload still runs, and did so for WAIT_MS.
        """
        call = calls.current()
        if not call.idempotency_key:
            return None
        key, payload = self._locks(call)
        await self._take(tx, key, payload)
        row = await tx.one(self._find, **_scope(call), now=datetime.now(UTC))
        if row is None:
            return None
        if row.fingerprint != bytes.fromhex(call.idempotency_fingerprint):
            metrics.idempotency_outcomes.labels("reused").inc()
            raise IdempotencyKeyReused("this idempotency key came before with another payload")
        metrics.idempotency_outcomes.labels("replayed").inc()
        call.trailers[calls.IDEMPOTENCY_REPLAYED] = "true"
        return reply.FromString(row.reply)

    async def record(self, tx: Connection, reply: M) -> M:
        """Store the reply under the current call's key, and give it back."""
        call = calls.current()
        if call.idempotency_key:
            now = datetime.now(UTC)
            # An expired record of the same key may still lie there; its time is over, the key is new again.
            await tx.execute(self._forget, **_scope(call))
            await tx.execute(
                self._insert,
                **_scope(call),
                fingerprint=bytes.fromhex(call.idempotency_fingerprint),
                reply=reply.SerializeToString(deterministic=True),
                created_at=now,
                expires_at=now + self._ttl,
            )
            metrics.idempotency_outcomes.labels("recorded").inc()
        return reply

    async def _take(self, tx: Connection, key: int, payload: int) -> None:
        if not (await tx.one(self._lock_payload, payload=payload)).taken:
            await self._wait(tx, payload)
        if not (await tx.one(self._lock_key, key=key)).taken:
            metrics.idempotency_outcomes.labels("reused").inc()
            raise IdempotencyKeyReused("this idempotency key is in use right now with another payload")

    async def _wait(self, tx: Connection, payload: int) -> None:
        await tx.one(self._bound_wait)
        try:
            await tx.one(self._await_payload, payload=payload)
        except psycopg.errors.LockNotAvailable as running:
            metrics.idempotency_outcomes.labels("in_flight").inc()
            raise IdempotencyInFlight("the first request with this idempotency key is still in flight") from running

    def _locks(self, call: Call) -> tuple[int, int]:
        scope = "\0".join((self._schema, *_scope(call).values()))
        return _number(scope), _number(f"{scope}\0{call.idempotency_fingerprint}")


def _lock(summary: str, sql: str) -> Statement:
    return statement(sa.text(sql), f"LOCK {summary}")


def _scope(call: Call) -> dict[str, Any]:
    return {
        "caller": str(call.caller.subject or call.caller.address),
        "method": call.method,
        "key": call.idempotency_key,
    }


def _number(text: str) -> int:
    """The signed 64-bit number that PostgreSQL's advisory locks take."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
