"""Categories."""

from typing import Final

import psycopg
import sqlalchemy as sa

from chassis.database import Connection, statement
from community.errors import CategoryInUse, SlugTaken
from community.model.categories import Category, is_slug
from community.store.rows import CATEGORY_COLUMNS, category_of, given, row_of
from community.tables import categories

_slug: Final = sa.bindparam("slug", type_=sa.Text)

_GET = statement(sa.select(*CATEGORY_COLUMNS).where(categories.c.slug == _slug), "SELECT categories")
_FOR_CHANGE = statement(
    sa.select(*CATEGORY_COLUMNS).where(categories.c.slug == _slug).with_for_update(), "SELECT categories"
)
_ALL = statement(sa.select(*CATEGORY_COLUMNS).order_by(categories.c.position, categories.c.slug), "SELECT categories")
_COUNT = statement(sa.select(sa.func.count().label("total")).select_from(categories), "COUNT categories")
_INSERT = statement(
    sa.dialects.postgresql.insert(categories)
    .values(given(CATEGORY_COLUMNS))
    .on_conflict_do_nothing(index_elements=["slug"]),
    "INSERT categories",
)
_CHANGEABLE: Final = tuple(c for c in CATEGORY_COLUMNS if c.name not in {"slug", "created_at"})
_UPDATE = statement(
    sa.update(categories).where(categories.c.slug == _slug).values(given(_CHANGEABLE)), "UPDATE categories"
)
_DELETE = statement(sa.delete(categories).where(categories.c.slug == _slug), "DELETE categories")


async def get(connection: Connection, slug: str) -> Category | None:
    """Give a category, or None."""
    row = await connection.one(_GET, slug=slug) if is_slug(slug) else None
    return category_of(row) if row else None


async def get_for_change(tx: Connection, slug: str) -> Category | None:
    """Give a category, and let no other transaction change it until this one ends."""
    row = await tx.one(_FOR_CHANGE, slug=slug) if is_slug(slug) else None
    return category_of(row) if row else None


async def list_all(connection: Connection) -> list[Category]:
    """Give all categories by position, then slug."""
    return [category_of(row) for row in await connection.all(_ALL)]


async def count(tx: Connection) -> int:
    """Give how many there are."""
    return int((await tx.one(_COUNT)).total)


async def insert(tx: Connection, category: Category) -> None:
    """Store a new category.

    Raises:
        SlugTaken: there is one with this slug.
    """
    if not await tx.execute(_INSERT, **row_of(category)):
        raise SlugTaken(f"there is a category {category.slug} already", metadata={"slug": category.slug})


async def update(tx: Connection, category: Category) -> None:
    """Store a category that was read by `get_for_change` and changed."""
    row = row_of(category)
    await tx.execute(_UPDATE, slug=category.slug, **{c.name: row[c.name] for c in _CHANGEABLE})


async def delete(tx: Connection, slug: str) -> None:
    """Remove a category.

    Raises:
        CategoryInUse: posts stand in it.
    """
    try:
        await tx.execute(_DELETE, slug=slug)
    except psycopg.errors.ForeignKeyViolation as used:
        raise CategoryInUse from used
