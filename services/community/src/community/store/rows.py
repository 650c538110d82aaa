"""Rows as values, and values as rows."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final

import sqlalchemy as sa

from community.model.categories import Category
from community.model.content import Post, Reply, Status
from community.tables import categories, posts, replies

POST_COLUMNS: Final = tuple(posts.c[field.name] for field in fields(Post))
REPLY_COLUMNS: Final = tuple(replies.c[field.name] for field in fields(Reply))
CATEGORY_COLUMNS: Final = tuple(categories.c[field.name] for field in fields(Category))


def given(columns: Iterable[sa.Column[Any]]) -> dict[str, sa.BindParameter[Any]]:
    """Give, for an INSERT or UPDATE, each of the columns a parameter of its own name."""
    return {column.name: sa.bindparam(column.name, type_=column.type) for column in columns}


def post_of(row: Any) -> Post:
    """Give the post that a row with POST_COLUMNS holds."""
    values = {column.name: getattr(row, column.name) for column in POST_COLUMNS}
    return Post(**values | {"status": Status(row.status), "tags": tuple(row.tags)})


def row_of(value: Post | Reply | Category) -> dict[str, Any]:
    """Give a value's row."""
    row = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: list(item) if isinstance(item, tuple) else item for name, item in row.items()}


def reply_of(row: Any) -> Reply:
    """Give the reply that a row with REPLY_COLUMNS holds."""
    values = {column.name: getattr(row, column.name) for column in REPLY_COLUMNS}
    return Reply(**values | {"status": Status(row.status)})


def category_of(row: Any) -> Category:
    """Give the category that a row with CATEGORY_COLUMNS holds."""
    return Category(**{column.name: getattr(row, column.name) for column in CATEGORY_COLUMNS})
