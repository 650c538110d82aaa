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
from sqlalchemy.dialects import postgresql

from chassis import call as calls
from chassis import service_metrics
from chassis.call import Call
from chassis.database import Connection, Statement, statement
from chassis.errors import IdempotencyInFlight, IdempotencyKeyReused

M = TypeVar("M", bound=Message)

WAIT_MS: Final = 1_000
"""How long a repetition waits for the first request before it is told that it is still in flight."""
_RELEASE_MS: Final = 200


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
        # The key only after the payload: who held the key and waited for the payload would be in its holder's way.
        self._try = _lock(
            "SELECT payload, CASE WHEN payload THEN pg_try_advisory_xact_lock(:key) ELSE false END AS key"
            " FROM pg_try_advisory_xact_lock(:payload) AS payload"
        )
        self._bound = _lock("SELECT set_config('lock_timeout', :wait, true)")
        self._await = _lock("SELECT pg_advisory_xact_lock(:lock)")
        self._unbound = _lock(
            "SELECT set_config('lock_timeout', reset_val, true) FROM pg_settings WHERE name = 'lock_timeout'"
        )
        scope = sa.and_(
            keys.c.caller == sa.bindparam("caller"),
            keys.c.method == sa.bindparam("method"),
            keys.c.key == sa.bindparam("key"),
        )
        self._find = statement(
            sa.select(keys.c.fingerprint, keys.c.reply).where(scope, keys.c.expires_at > sa.bindparam("now")),
            "SELECT idempotency_keys",
        )
        insert = postgresql.insert(keys).values({column.name: sa.bindparam(column.name) for column in keys.c})
        # An expired record of the same key may still lie there; its time is over, the key is new again.
        renewed = {name: insert.excluded[name] for name in ("fingerprint", "reply", "created_at", "expires_at")}
        self._insert = statement(
            insert.on_conflict_do_update(index_elements=list(keys.primary_key), set_=renewed),
            "INSERT idempotency_keys",
        )
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
            service_metrics.idempotency_outcomes.labels("reused").inc()
            raise IdempotencyKeyReused("this idempotency key came before with another payload")
        service_metrics.idempotency_outcomes.labels("replayed").inc()
        call.trailers[calls.IDEMPOTENCY_REPLAYED] = "true"
        return reply.FromString(row.reply)

    async def record(self, tx: Connection, reply: M) -> M:
        """Store the reply under the current call's key, and give it back."""
        call = calls.current()
        if call.idempotency_key:
            now = datetime.now(UTC)
            await tx.execute(
                self._insert,
                **_scope(call),
                fingerprint=bytes.fromhex(call.idempotency_fingerprint),
                reply=reply.SerializeToString(deterministic=True),
                created_at=now,
                expires_at=now + self._ttl,
            )
            service_metrics.idempotency_outcomes.labels("recorded").inc()
        return reply

    async def _take(self, tx: Connection, key: int, payload: int) -> None:
        taken = await tx.one(self._try, payload=payload, key=key)
        if taken.payload and taken.key:
            return
        if not taken.payload and not await self._wait(tx, payload, WAIT_MS):
            service_metrics.idempotency_outcomes.labels("in_flight").inc()
            raise IdempotencyInFlight("the first request with this idempotency key is still in flight")
        # PostgreSQL lets the locks of an ended transaction go one after the other: a key held for longer than that is
        # another payload's.
        if not taken.key and not await self._wait(tx, key, _RELEASE_MS):
            service_metrics.idempotency_outcomes.labels("reused").inc()
            raise IdempotencyKeyReused("this idempotency key is in use right now with another payload")
        await tx.one(self._unbound)

    async def _wait(self, tx: Connection, lock: int, wait_ms: int) -> bool:
        await tx.one(self._bound, wait=str(wait_ms))
        try:
            await tx.one(self._await, lock=lock)
        except psycopg.errors.LockNotAvailable:
            return False
        return True

    def _locks(self, call: Call) -> tuple[int, int]:
        scope = "\0".join((self._schema, *_scope(call).values()))
        return _number(scope), _number(f"{scope}\0{call.idempotency_fingerprint}")


def _lock(sql: str) -> Statement:
    return statement(sa.text(sql), "LOCK idempotency_keys")


def _scope(call: Call) -> dict[str, Any]:
    return {
        "caller": str(call.caller.subject or call.caller.address),
        "method": call.method,
        "key": call.idempotency_key,
    }


def _number(text: str) -> int:
    """The signed 64-bit number that PostgreSQL's advisory locks take."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
