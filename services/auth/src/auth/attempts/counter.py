"""Counting tries: before each is made, so that any number at once are counted as well."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from auth.attempts.limits import Limit
from auth.clock import utc_now
from auth.secrets import Secrets
from auth.tables import MOMENT, attempts
from chassis.database import Connection, statement

_AT_ONCE: Final = 1_000

_now = sa.bindparam("now", type_=MOMENT)
_over = attempts.c.since <= sa.bindparam("begun", type_=MOMENT)
_key = sa.bindparam("key", type_=sa.LargeBinary)
_COUNT = statement(
    postgresql.insert(attempts)
    .values(key=_key, tries=1, since=_now)
    .on_conflict_do_update(
        index_elements=["key"],
        set_={
            "tries": sa.case((_over, 1), else_=attempts.c.tries + 1),
            "since": sa.case((_over, _now), else_=attempts.c.since),
        },
    )
    .returning(attempts.c.tries, attempts.c.since),
    "INSERT attempts",
)
_CLEAR = statement(sa.delete(attempts).where(attempts.c.key == _key), "DELETE attempts")
_FORGET = statement(
    sa.delete(attempts).where(
        attempts.c.key.in_(
            sa.select(attempts.c.key)
            .where(attempts.c.since < sa.bindparam("before", type_=MOMENT))
            .order_by(attempts.c.since)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
    ),
    "DELETE attempts",
)


class Counted(NamedTuple):
    """A try that was counted: the seconds until the next one is let through, 0 when this one is, and whether it is the
    last one that is.
    """

    wait_s: int
    is_last: bool


class Attempts:
    """Counts tries; what is counted stands in the table as a keyed hash alone."""

    def __init__(self, secrets: Secrets, now: Callable[[], datetime] = utc_now) -> None:
        self._secrets = secrets
        self._now = now

    async def count(self, connection: Connection, limit: Limit, *what: str) -> int:
        """Count a try; give the seconds until the next one is let through, 0 when this one is.

        To be committed before the try is made, whatever comes of it.
        """
        return (await self.counted(connection, limit, *what)).wait_s

    async def counted(self, connection: Connection, limit: Limit, *what: str) -> Counted:
        """Count a try as `count` does, and say as well whether it is the last one; one of a window is."""
        now = self._now()
        row = await connection.one(_COUNT, key=self._key(limit, *what), now=now, begun=now - limit.window)
        return Counted(limit.wait_s(row.tries, row.since, now), row.tries == limit.tries)

    async def clear(self, connection: Connection, limit: Limit, *what: str) -> None:
        """Forget the tries: somebody knew the secret."""
        await connection.execute(_CLEAR, key=self._key(limit, *what))

    def _key(self, limit: Limit, *what: str) -> bytes:
        return self._secrets.digest("attempts", limit.name.encode(), *(part.encode() for part in what))


async def forget(connection: Connection, before: datetime) -> int:
    """Remove some of the counts that began before; give how many, 0 when none are left."""
    return await connection.execute(_FORGET, before=before)
