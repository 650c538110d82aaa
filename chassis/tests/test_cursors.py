import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidCursor, InvalidFields
from chassis.paging import DEFAULT_SIZE, MAX_OFFSET, MAX_SIZE, Cursors, PageRequest, Position

CURSORS = Cursors("0123456789abcdef0123456789abcdef")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="

moments = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them naive
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
keys = st.lists(st.one_of(moments, st.uuids(), texts, st.integers(-(2**63), 2**63)), max_size=4).map(tuple)
positions = st.builds(Position, keys, st.booleans(), st.integers(1, 10**6))


@given(positions, texts)
def test_a_cursor_gives_its_position_back_to_the_microsecond(position: Position, scope: str) -> None:
    assert CURSORS.read(CURSORS.write(position, scope), scope) == position


@given(positions, texts, st.data())
def test_any_tampering_is_refused(position: Position, scope: str, data: st.DataObject) -> None:
    cursor = CURSORS.write(position, scope)
    at = data.draw(st.integers(0, len(cursor)))
    character = data.draw(st.sampled_from(ALPHABET))
    tampered = data.draw(
        st.sampled_from(
            [
                cursor[:at],
                cursor[:at] + cursor[at + 1 :],
                cursor[:at] + character + cursor[at + 1 :],
                cursor[:at] + character + cursor[at:],
                cursor + cursor,
            ]
        )
    )
    if tampered != cursor:
        with pytest.raises(InvalidCursor):
            CURSORS.read(tampered, scope)


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda b: base64.urlsafe_b64encode(b).decode())))
def test_what_was_never_written_is_refused(invented: str) -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.read(invented, "scope")


@given(positions, texts, texts)
def test_a_cursor_of_another_scope_or_secret_is_refused(position: Position, scope: str, other: str) -> None:
    with pytest.raises(InvalidCursor):
        Cursors("another-secret-of-32-characters!").read(CURSORS.write(position, scope), scope)
    if scope != other:
        with pytest.raises(InvalidCursor):
            CURSORS.read(CURSORS.write(position, scope), other)


def test_nothing_said_is_the_first_page_of_the_usual_size() -> None:
    assert asked() == PageRequest(DEFAULT_SIZE, 1, None)


def test_a_cursor_says_which_page_it_leads_to() -> None:
    position = Position((1,), backward=True, page=7)
    assert asked(cursor=CURSORS.write(position, "scope")) == PageRequest(DEFAULT_SIZE, 7, position)


@pytest.mark.parametrize(
    ("size", "page"), [(1, 1), (MAX_SIZE, 1), (MAX_SIZE, MAX_OFFSET // MAX_SIZE + 1), (1, MAX_OFFSET + 1)]
)
def test_the_ends_of_what_may_be_asked_are_inside(size: int, page: int) -> None:
    assert asked(size, page) == PageRequest(size, page, None)


@pytest.mark.parametrize(
    ("size", "page", "field"),
    [
        (-1, 1, "page_size"),
        (MAX_SIZE + 1, 1, "page_size"),
        (-(2**31), 1, "page_size"),
        (20, -1, "page"),
        (20, -(2**31), "page"),
        (1, MAX_OFFSET + 2, "page"),
        (100, 2**31 - 1, "page"),
    ],
)
def test_what_lies_beyond_them_is_an_invalid_field(size: int, page: int, field: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        asked(size, page)
    assert [violation.field for violation in refused.value.violations] == [field]


def test_a_page_and_a_cursor_do_not_stand_together() -> None:
    with pytest.raises(InvalidFields):
        asked(page=2, cursor=CURSORS.write(Position((1,), backward=False, page=2), "scope"))


def asked(size: int = 0, page: int = 0, cursor: str = "") -> PageRequest:
    return CURSORS.request(page_size=size, page=page, cursor=cursor, scope="scope")
