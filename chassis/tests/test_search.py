from collections.abc import Callable, Iterator

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import TSVECTOR

from chassis.database import statement
from chassis.embedded.postgresql import PostgreSQL
from chassis.search import document, matches

_text, _words = sa.bindparam("text", type_=sa.Text), sa.bindparam("words", type_=sa.Text)
_vector = sa.cast(sa.func.to_tsvector(sa.literal_column("'simple'::regconfig"), _text), TSVECTOR)
MATCHES = statement(sa.select(matches(_vector, _words).label("found")), "SELECT")


@pytest.fixture(scope="module")
def found(postgresql: PostgreSQL) -> Iterator[Callable[[str, str], bool]]:
    """Says whether the words are found in the text."""
    with psycopg.connect(postgresql.admin_url, autocommit=True) as connection:

        def ask(text: str, words: str) -> bool:
            row = connection.execute(MATCHES.sql, {**MATCHES.constants, "text": text, "words": words}).fetchone()
            assert row is not None
            return bool(row[0])

        yield ask


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("To the moon and back", "moon"),
        ("To the moon and back", "MO"),
        ("To the moon and back", "back mo"),
        ("state-of-the-art engines", "state-of-the"),
        ("state-of-the-art engines", "art"),
        ("write to ines@example.test today", "ines@example.test"),
        ("see https://example.test/docs/a?b=c", "https://example.test/docs"),
        ("O'Neill's \"quoted\" text", "o'neill"),
        ("C:\\temp\\file", "temp"),
        ("Büro für Überfälle", "überf"),
        ("مرحبا بالعالم الجديد", "بالعالم"),
        ("版本 2.0.1 发布", "版本"),
        ("version 2.0.1", "2.0.1"),
        ("a & b | c ! d", "b d"),
    ],
)
def test_every_word_is_found_by_its_beginning(found: Callable[[str, str], bool], text: str, words: str) -> None:
    assert found(text, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("To the moon and back", "oon"),
        ("To the moon and back", "moon mars"),
        ("To the moon and back", ""),
        ("To the moon and back", " \t "),
        ("To the moon and back", "!!! ??? --- ''' \\\\ :* & |"),
        ("To the moon and back", "🚀"),
        ("To the moon and back", "moon' | 'x"),
        ("To the moon and back", "'); DROP TABLE things; --"),
    ],
)
def test_a_word_that_is_not_there_or_no_word_at_all_finds_nothing(
    found: Callable[[str, str], bool], text: str, words: str
) -> None:
    assert not found(text, words)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200))
def test_no_text_is_an_error(found: Callable[[str, str], bool], words: str) -> None:
    assert found("To the moon", words) in {True, False}


def test_the_generated_column_covers_its_columns() -> None:
    assert document("name", "description") == "to_tsvector('simple'::regconfig, name || ' ' || description)"
