"""Pages of lists: positions in cursors that only their own list, caller and order accept, and totals at a bounded cost.

A list is one or several disjoint *branches* (SELECTs with the same columns), so that each can walk an index of its own;
a page merges them. The cost of a page depends on its size, never on the length of the list.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, Statement, statement
from chassis.errors import InvalidCursor, InvalidFields, Violation

T = TypeVar("T")
U = TypeVar("U")

DEFAULT_SIZE: Final = 20
MAX_SIZE: Final = 100
COUNT_CAP: Final = 1_000
"""Rows are counted up to here; a longer list says that its total is a lower bound."""
MAX_OFFSET: Final = 10_000
"""Page numbers reach this many rows deep; beyond, cursors go on at no extra cost."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True)
class Order:
    """A total order of a list: columns by their names in the branches, the last one unique; all in one direction."""

    name: str
    columns: tuple[str, ...]
    descending: bool


def both_ways(column: str) -> tuple[Order, Order]:
    """Give the orders `column` and `-column`, equals by id."""
    return Order(column, (column, "id"), descending=False), Order(f"-{column}", (column, "id"), descending=True)


@dataclass(frozen=True)
class Position:
    """A place between rows: the key beside it, the direction to read in, and the number of the page that follows."""

    key: tuple[Any, ...]
    backward: bool
    page: int


@dataclass(frozen=True)
class PageRequest:
    """Which page is wanted: by number, or by position."""

    size: int
    number: int
    position: Position | None


@dataclass(frozen=True)
class Total:
    """How many rows a list has: exactly so many, or more than these."""

    rows: int
    exact: bool


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of rows and where it stands; without `total_exact`, `total` is a lower bound. No cursor: an end."""

    rows: list[T]
    total: int
    total_exact: bool
    number: int
    size: int
    next_cursor: str
    previous_cursor: str

    def of(self, rows: list[U]) -> "Page[U]":
        """Give the same page with its rows as something else."""
        return Page(rows, self.total, self.total_exact, self.number, self.size, self.next_cursor, self.previous_cursor)


class Cursors:
    """Writes and reads cursors, authenticated (HMAC-SHA-256) together with the scope they were given for."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def write(self, position: Position, scope: str) -> str:
        """Give the cursor of a position in the list that `scope` names (caller, filter and order in one text)."""
        body = json.dumps(
            [int(position.backward), position.page, [_tagged(value) for value in position.key]],
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        return _text(self._digest(body, scope) + body)

    def read(self, cursor: str, scope: str) -> Position:
        """Give the position back.

        Raises:
            InvalidCursor: it was not written here for this scope.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as malformed:
            raise _refused() from malformed
        digest, body = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        # A last character has bits that decoding drops: only the form that was written is taken.
        if not hmac.compare_digest(digest, self._digest(body, scope)) or _text(raw) != cursor:
            raise _refused()
        backward, page, key = json.loads(body)
        return Position(tuple(_untagged(*value) for value in key), bool(backward), page)

    def _digest(self, body: bytes, scope: str) -> bytes:
        return hmac.digest(self._secret, hashlib.sha256(scope.encode()).digest() + body, "sha256")[:_DIGEST_BYTES]

    def request(self, *, page_size: int, page: int, cursor: str, scope: str) -> PageRequest:
        """Check what a caller asked for; 0 and an empty text mean that they did not say.

        Raises:
            InvalidFields: a size or number is out of bounds, or both a page and a cursor are given.
            InvalidCursor: the cursor is not one of this list.
        """
        size = page_size or DEFAULT_SIZE
        violations = []
        if not 1 <= size <= MAX_SIZE:
            violations.append(Violation("page_size", f"must be from 1 to {MAX_SIZE}"))
        if page < 0:
            violations.append(Violation("page", "must be at least 1"))
        elif page and cursor:
            violations.append(Violation("page", "cannot stand together with a cursor"))
        elif (page - 1) * size > MAX_OFFSET:
            violations.append(Violation("page", f"reaches at most {MAX_OFFSET} rows deep; follow the cursors beyond"))
        if violations:
            raise InvalidFields.of(violations)
        if cursor:
            position = self.read(cursor, scope)
            return PageRequest(size, position.page, position)
        return PageRequest(size, page or 1, None)


class Listing:
    """The compiled statements of one list in one order with one set of filters.

    `counted_in_order` counts rows along the index that the list walks, where it has one for its filters too: otherwise
    all that a filter matches may be gathered before the first 1,001 are counted. `prepared` as for a statement.
    """

    def __init__(
        self,
        branches: Sequence[sa.Select[Any]],
        order: Order,
        summary: str,
        *,
        counted_in_order: bool = False,
        prepared: bool | None = None,
    ) -> None:
        self._order = order
        self._prepared = prepared
        self._first = self._select(branches, backward=False, positioned=False, summary=summary)
        self._forward = self._select(branches, backward=False, positioned=True, summary=summary)
        self._backward = self._select(branches, backward=True, positioned=True, summary=summary)
        one: sa.ColumnElement[Any] = sa.literal_column("1").label("one")
        capped: list[sa.Select[Any]] = [
            (self._ordered(branch, _columns(branch), backward=False) if counted_in_order else branch)
            .with_only_columns(one, maintain_column_froms=True)
            .limit(COUNT_CAP + 1)
            for branch in branches
        ]
        self._count = statement(
            sa.select(sa.func.count().label("total")).select_from(
                sa.select(one).select_from(_merged(capped)).limit(COUNT_CAP + 1).subquery("counted"),
            ),
            f"COUNT {summary}",
            prepared=prepared,
        )

    def _keys(self, source: Any) -> list[Any]:
        return [source[name] for name in self._order.columns]

    def _ordered(self, select: sa.Select[Any], source: Any, *, backward: bool) -> sa.Select[Any]:
        descending = self._order.descending != backward
        return select.order_by(*(key.desc() if descending else key.asc() for key in self._keys(source)))

    def _select(
        self, branches: Sequence[sa.Select[Any]], *, backward: bool, positioned: bool, summary: str
    ) -> Statement:
        descending = self._order.descending != backward
        reach = sa.bindparam("reach", type_=sa.Integer)
        limited = []
        for branch in branches:
            columns = _columns(branch)
            if positioned:
                here = sa.tuple_(*self._keys(columns))
                there = sa.tuple_(
                    *(sa.bindparam(f"key_{i}", type_=key.type) for i, key in enumerate(self._keys(columns))),
                )
                branch = branch.where(here < there if descending else here > there)  # noqa: PLW2901 - the branch from here on
            limited.append(self._ordered(branch, columns, backward=backward).limit(reach))
        merged = _merged(limited)
        page = self._ordered(sa.select(merged), merged.c, backward=backward)
        return statement(
            page.limit(sa.bindparam("limit", type_=sa.Integer)).offset(sa.bindparam("skip", type_=sa.Integer)),
            f"SELECT {summary}",
            prepared=self._prepared,
        )

    async def head(self, connection: Connection, most: int, /, **parameters: Any) -> list[Any]:
        """Read the first rows of the list, at most so many; `parameters` are what the branches leave open."""
        return await connection.all(self._first, limit=most, skip=0, reach=most, **parameters)

    async def page(
        self,
        connection: Connection,
        request: PageRequest,
        cursors: Cursors,
        scope: str,
        /,  # a column may have any of these names
        *,
        counted: Total | None = None,
        **parameters: Any,
    ) -> Page[Any]:
        """Read one page; `parameters` are what the branches leave open, `counted` the total where it is known."""
        position, size = request.position, request.size
        skip = 0 if position else (request.number - 1) * size
        limits = {"limit": size + 1, "skip": skip, "reach": skip + size + 1}
        chosen = self._first if position is None else self._backward if position.backward else self._forward
        key = {f"key_{i}": value for i, value in enumerate(position.key)} if position else {}
        rows = await connection.all(chosen, **limits, **key, **parameters)
        if position is not None and position.backward and not rows:
            # All that stood before is gone meanwhile: what is the first page now is where going back leads.
            start = PageRequest(size, 1, None)
            return await self.page(connection, start, cursors, scope, counted=counted, **parameters)
        total = counted or _total((await connection.one(self._count, **parameters)).total)

        more, rows = len(rows) > size, rows[:size]
        backward = position is not None and position.backward
        if backward:
            rows.reverse()
        before = more if backward else (position is not None or request.number > 1)
        after = True if backward else more

        def cursor(row: Any, *, back: bool) -> str:
            number = max(1, request.number - 1) if back else request.number + 1
            return cursors.write(Position(tuple(getattr(row, c) for c in self._order.columns), back, number), scope)

        return Page(
            rows=rows,
            total=total.rows,
            total_exact=total.exact,
            number=request.number if before else 1,
            size=size,
            next_cursor=cursor(rows[-1], back=False) if after and rows else "",
            previous_cursor=cursor(rows[0], back=True) if before and rows else "",
        )


def _total(counted: int) -> Total:
    return Total(min(counted, COUNT_CAP), exact=counted <= COUNT_CAP)


def _columns(branch: sa.Select[Any]) -> dict[str, Any]:
    return dict(branch.selected_columns.items())


def _merged(selects: Sequence[sa.Select[Any]]) -> Any:
    if len(selects) == 1:
        return selects[0].subquery("listed")
    return sa.union_all(*(select.subquery(f"branch_{i}").select() for i, select in enumerate(selects))).subquery(
        "listed"
    )


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _tagged(value: Any) -> tuple[str, Any]:
    # Microseconds, as the database has them: a coarser key would repeat or lose rows.
    if isinstance(value, datetime):
        return "t", (value - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, UUID):
        return "u", value.hex
    return "v", value


def _untagged(tag: str, value: Any) -> Any:
    if tag == "t":
        return _EPOCH + timedelta(microseconds=value)
    return UUID(value) if tag == "u" else value


def _refused() -> InvalidCursor:
    return InvalidCursor("this cursor was not given for this list; start again without one")
