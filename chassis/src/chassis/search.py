"""Full-text search in any language: words as they are (PostgreSQL's `simple` configuration), by their beginnings."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY


def document(*columns: str) -> str:
    """Give the SQL of the generated tsvector column over text columns."""
    text = " || ' ' || ".join(columns)
    return f"to_tsvector('simple'::regconfig, {text})"


def query(text: sa.ColumnElement[str]) -> sa.ColumnElement[Any]:
    """Give the tsquery for every word of `text` at the beginning of a word; a text without words matches nothing.

    The words are found by the same parser that made the vector, so that addresses and hyphenated words match too.
    """
    words = sa.cast(sa.func.plainto_tsquery(sa.literal_column("'simple'::regconfig"), text), sa.Text)
    prefixes = sa.func.regexp_replace(
        words, sa.literal_column("'''( &|$)'"), sa.literal_column("''':*\\1'"), sa.literal_column("'g'")
    )
    return sa.cast(prefixes, TSQUERY)


def matches(vector: sa.ColumnElement[Any], text: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Give the condition that every word of `text` begins a word of `vector`."""
    return vector.op("@@")(query(text))
