"""The SQL of webhook endpoints and their secrets, over the tables of one service."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest
from chassis.webhooks.model import DisabledReason, Endpoint
from chassis.webhooks.tables import Tables, insertion

NEWEST: Final = Order("-created_at", ("created_at", "id"), descending=True)

_CHANGEABLE: Final = (
    "url",
    "events",
    "description",
    "contact",
    "enabled",
    "disabled_reason",
    "disabled_at",
    "updated_at",
    "version",
)


class EndpointStore:
    """The endpoints of one service, in its schema."""

    def __init__(self, tables: Tables) -> None:
        self._endpoints(tables)
        self._secrets(tables)

    def _endpoints(self, tables: Tables) -> None:
        endpoints = tables.endpoints
        hidden = {"failures", "failing_since", "resting_until", "deleted_at"}
        columns = [column for column in endpoints.c if column.name not in hidden]
        id_ = endpoints.c.id == sa.bindparam("id", type_=sa.Uuid)
        owner = sa.bindparam("owner_id", type_=sa.Uuid)
        live = endpoints.c.deleted_at.is_(None)
        owned = sa.and_(endpoints.c.owner_id == owner, live)
        reached = sa.and_(id_, live, sa.or_(owner.is_(None), endpoints.c.owner_id == owner))
        now = sa.bindparam("now", type_=sa.DateTime(timezone=True))
        events = endpoints.c.events
        of_type = sa.bindparam("event_type", type_=sa.Text)

        lock = "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"
        self._lock_owner = statement(sa.text(lock), "LOCK webhook_endpoints")
        self._count = statement(sa.select(sa.func.count().label("total")).where(owned), "COUNT webhook_endpoints")
        self._insert = insertion(endpoints)
        self._get = statement(sa.select(*columns).where(reached), "SELECT webhook_endpoints")
        self._get_version = statement(sa.select(endpoints.c.version).where(reached), "SELECT webhook_endpoints")
        self._get_for_change = statement(
            sa.select(*columns).where(reached).with_for_update(key_share=True), "SELECT webhook_endpoints"
        )
        self._update = statement(
            sa.update(endpoints)
            .where(id_)
            .values({name: sa.bindparam(f"new_{name}", type_=endpoints.c[name].type) for name in _CHANGEABLE}),
            "UPDATE webhook_endpoints",
        )
        self._delete = statement(
            sa.update(endpoints).where(id_).values(deleted_at=now, enabled=sa.false()), "DELETE webhook_endpoints"
        )
        self._list = Listing([sa.select(*columns).where(owned)], NEWEST, "webhook_endpoints")
        self._list_all = Listing([sa.select(*columns).where(live)], NEWEST, "webhook_endpoints", counted_in_order=True)
        self._subscribed = statement(
            sa.select(endpoints.c.id)
            .where(owned, endpoints.c.enabled, sa.or_(events == sa.literal_column("'{}'"), of_type == sa.any_(events)))
            .order_by(endpoints.c.id),
            "SELECT webhook_endpoints",
        )
        self._failed = statement(
            sa.update(endpoints)
            .where(id_)
            .values(failures=endpoints.c.failures + 1, failing_since=sa.func.coalesce(endpoints.c.failing_since, now))
            .returning(endpoints.c.failures, endpoints.c.failing_since),
            "UPDATE webhook_endpoints",
        )
        self._well = statement(
            sa.update(endpoints)
            .where(id_, endpoints.c.failures > sa.literal_column("0"))
            .values(failures=sa.literal_column("0"), failing_since=sa.null(), resting_until=sa.null()),
            "UPDATE webhook_endpoints",
        )
        self._rest = statement(
            sa.update(endpoints)
            .where(id_)
            .values(resting_until=sa.bindparam("until", type_=endpoints.c.resting_until.type)),
            "UPDATE webhook_endpoints",
        )
        self._disable = statement(
            sa.update(endpoints)
            .where(id_, endpoints.c.enabled)
            .values(
                enabled=sa.false(),
                disabled_reason=sa.bindparam("reason", type_=sa.Text),
                disabled_at=now,
                updated_at=now,
                version=endpoints.c.version + 1,
            ),
            "UPDATE webhook_endpoints",
        )

    async def count(self, tx: Connection, owner_id: UUID) -> int:
        """Give how many endpoints an owner has, and let nobody add one until this transaction ends."""
        await tx.one(self._lock_owner, name=f"webhook endpoints {owner_id}")
        return int((await tx.one(self._count, owner_id=owner_id)).total)

    async def insert(self, tx: Connection, endpoint: Endpoint) -> None:
        """Store a new endpoint."""
        await tx.execute(
            self._insert, **_row(endpoint), failures=0, failing_since=None, resting_until=None, deleted_at=None
        )

    async def get(self, connection: Connection, endpoint_id: UUID, owner_id: UUID | None) -> Endpoint | None:
        """Give an endpoint of this owner (None: of anyone), or None."""
        return _endpoint(await connection.one(self._get, id=endpoint_id, owner_id=owner_id))

    async def get_version(self, connection: Connection, endpoint_id: UUID, owner_id: UUID | None) -> int | None:
        """Give the version of an endpoint of this owner, without reading the rest, or None."""
        row = await connection.one(self._get_version, id=endpoint_id, owner_id=owner_id)
        return row.version if row else None

    async def get_for_change(self, tx: Connection, endpoint_id: UUID, owner_id: UUID | None) -> Endpoint | None:
        """Give what `get` gives, and let no other transaction change it until this one ends; events still go to it."""
        return _endpoint(await tx.one(self._get_for_change, id=endpoint_id, owner_id=owner_id))

    async def update(self, tx: Connection, endpoint: Endpoint) -> None:
        """Store a changed endpoint that `get_for_change` gave."""
        row = _row(endpoint)
        await tx.execute(self._update, id=endpoint.id, **{f"new_{name}": row[name] for name in _CHANGEABLE})

    async def delete(self, tx: Connection, endpoint_id: UUID, now: datetime) -> None:
        """Make an endpoint vanish, and its secrets for good."""
        await tx.execute(self._delete, id=endpoint_id, now=now)
        await tx.execute(self._forget_secrets, endpoint_id=endpoint_id)

    async def page(
        self, connection: Connection, owner_id: UUID | None, request: PageRequest, cursors: Cursors, scope: str
    ) -> Page[Endpoint]:
        """Give one page of an owner's endpoints (None: of everyone's), the newest first."""
        if owner_id is None:
            found = await self._list_all.page(connection, request, cursors, scope)
        else:
            found = await self._list.page(connection, request, cursors, scope, owner_id=owner_id)
        return found.of([_endpoint_of(row) for row in found.rows])

    async def subscribed(self, tx: Connection, owner_id: UUID, event_type: str) -> list[UUID]:
        """Give the enabled endpoints of an owner that want events of this type."""
        return [row.id for row in await tx.all(self._subscribed, owner_id=owner_id, event_type=event_type)]

    async def note_failure(self, tx: Connection, endpoint_id: UUID, now: datetime) -> tuple[int, datetime]:
        """Count a failed attempt; give how many there were in a row, and since when."""
        row = await tx.one(self._failed, id=endpoint_id, now=now)
        return row.failures, row.failing_since

    async def note_success(self, tx: Connection, endpoint_id: UUID) -> None:
        """Forget the failures."""
        await tx.execute(self._well, id=endpoint_id)

    async def rest(self, tx: Connection, endpoint_id: UUID, until: datetime | None) -> None:
        """Leave an endpoint alone until this time, or not any more."""
        await tx.execute(self._rest, id=endpoint_id, until=until)

    async def disable(self, tx: Connection, endpoint_id: UUID, reason: DisabledReason, now: datetime) -> bool:
        """Disable an endpoint; say whether it was enabled."""
        return bool(await tx.execute(self._disable, id=endpoint_id, reason=reason.value, now=now))

    def _secrets(self, tables: Tables) -> None:
        secrets = tables.secrets
        of = secrets.c.endpoint_id == sa.bindparam("endpoint_id", type_=sa.Uuid)
        expires_at = sa.bindparam("new_expires_at", type_=sa.DateTime(timezone=True))
        live = sa.or_(
            secrets.c.expires_at.is_(None), secrets.c.expires_at > sa.bindparam("now", type_=secrets.c.expires_at.type)
        )
        self._insert_secret = insertion(secrets)
        self._live_secrets = statement(
            sa.select(secrets.c.sealed).where(of, live).order_by(secrets.c.created_at.desc(), secrets.c.id.desc()),
            "SELECT webhook_secrets",
        )
        self._expire_secrets = statement(
            sa.update(secrets)
            .where(of, sa.or_(secrets.c.expires_at.is_(None), secrets.c.expires_at > expires_at))
            .values(expires_at=expires_at),
            "UPDATE webhook_secrets",
        )
        self._forget_secrets = statement(sa.delete(secrets).where(of), "DELETE webhook_secrets")

    async def insert_secret(
        self, tx: Connection, secret_id: UUID, endpoint_id: UUID, sealed: bytes, now: datetime
    ) -> None:
        """Store a secret that has no end."""
        await tx.execute(
            self._insert_secret, id=secret_id, endpoint_id=endpoint_id, sealed=sealed, created_at=now, expires_at=None
        )

    async def live_secrets(self, connection: Connection, endpoint_id: UUID, now: datetime) -> list[bytes]:
        """Give the sealed secrets that sign now, the newest first."""
        return [bytes(row.sealed) for row in await connection.all(self._live_secrets, endpoint_id=endpoint_id, now=now)]

    async def expire_secrets(self, tx: Connection, endpoint_id: UUID, at: datetime) -> None:
        """Let every secret of an endpoint end at this time or when it would have anyway."""
        await tx.execute(self._expire_secrets, endpoint_id=endpoint_id, new_expires_at=at)


def _row(endpoint: Endpoint) -> dict[str, Any]:
    reason = endpoint.disabled_reason.value if endpoint.disabled_reason else None
    return vars(endpoint) | {"events": list(endpoint.events), "disabled_reason": reason}


def _endpoint(row: Any) -> Endpoint | None:
    return _endpoint_of(row) if row else None


def _endpoint_of(row: Any) -> Endpoint:
    reason = DisabledReason(row.disabled_reason) if row.disabled_reason else None
    return Endpoint(**row._asdict() | {"events": tuple(row.events), "disabled_reason": reason})
