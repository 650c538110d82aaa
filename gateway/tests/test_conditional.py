import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.conditional import NO_VERSION, Outcome, Preconditions, Tag, Tags, parse_tags, preconditions, version_of
from gateway.problems import Problem

opaques = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f').filter(
        lambda c: not 0x7F <= ord(c) < 0x80
    ),
    max_size=20,
)
tags = st.builds(Tag, opaques, weak=st.booleans())
blanks = st.text(" \t", max_size=2)


def write(tag: Tag) -> str:
    return ("W/" if tag.weak else "") + f'"{tag.opaque}"'


@given(st.lists(st.tuples(tags, blanks, blanks, st.integers(0, 2)), min_size=1, max_size=8))
def test_every_list_of_tags_is_read_back_whatever_stands_between_them(
    listed: list[tuple[Tag, str, str, int]],
) -> None:
    field = ",".join("," * empty + before + write(tag) + after for tag, before, after, empty in listed)
    assert parse_tags(field) == Tags(tuple(tag for tag, *_ in listed))


@given(st.text(st.characters(codec="latin-1"), max_size=40))
def test_any_text_is_a_list_of_tags_or_refused(field: str) -> None:
    try:
        parsed = parse_tags(field)
    except ValueError:
        return
    assert parsed.any_tag or parsed.tags


@pytest.mark.parametrize("field", ["", ",", "7", '"7', '7"', 'w/"7"', 'W/ "7"', '"a" "b"', '*, "a"', '"a";q=1', "'7'"])
def test_what_is_no_list_of_tags_is_refused(field: str) -> None:
    with pytest.raises(Problem) as refused:
        preconditions([(b"if-match", field.encode())])
    assert refused.value.type.name == "malformed-precondition"


def test_several_header_lines_are_one_list() -> None:
    read = preconditions([(b"if-none-match", b'"1"'), (b"if-none-match", b'W/"2"')])
    assert read.if_none_match == Tags((Tag("1"), Tag("2", weak=True)))


@pytest.mark.parametrize(
    ("opaque", "version"),
    [("1", 1), ("7-gzip", 7), ("0", None), ("01", None), ("-1", None), ("x", None), (str(2**63), None), ("7-br", None)],
)
def test_a_tag_names_a_version_or_none(opaque: str, version: int | None) -> None:
    assert version_of(opaque) == version


READS = [
    (None, None, Outcome.PROCEED),
    (None, '"7"', Outcome.NOT_MODIFIED),
    (None, 'W/"7"', Outcome.NOT_MODIFIED),
    (None, '"6", "7"', Outcome.NOT_MODIFIED),
    (None, "*", Outcome.NOT_MODIFIED),
    (None, '"6"', Outcome.PROCEED),
    (None, '"7-gzip"', Outcome.NOT_MODIFIED),
    ('"7"', None, Outcome.PROCEED),
    ('"7-gzip"', None, Outcome.PROCEED),
    ("*", None, Outcome.PROCEED),
    ('W/"7"', None, Outcome.FAILED),
    ('"6"', None, Outcome.FAILED),
    ('"6"', '"7"', Outcome.FAILED),
    ('"7"', '"7"', Outcome.NOT_MODIFIED),
]


@pytest.mark.parametrize(("if_match", "if_none_match", "outcome"), READS)
def test_a_read_follows_the_precedence_of_rfc_9110(
    if_match: str | None, if_none_match: str | None, outcome: Outcome
) -> None:
    read = Preconditions(
        parse_tags(if_match) if if_match else None, parse_tags(if_none_match) if if_none_match else None
    )
    assert read.of_read("7", gzip_accepted=True) is outcome


def test_a_compressed_form_is_of_no_use_to_a_client_that_does_not_accept_it() -> None:
    held = Preconditions(None, parse_tags('"7-gzip"'))
    assert held.of_read("7", gzip_accepted=False) is Outcome.PROCEED


WRITES = [
    (None, None, 0),
    ("*", None, 0),
    ('"7"', None, 7),
    ('"7-gzip"', None, 7),
    ('W/"7"', None, NO_VERSION),
    ('"x"', None, NO_VERSION),
    ('"6", "7"', None, 7),
    ('"5", "6"', None, NO_VERSION),
    (None, "*", NO_VERSION),
    (None, 'W/"7"', NO_VERSION),
    (None, '"6"', 7),
    ('"7"', '"6"', 7),
    ('"7"', '"7"', NO_VERSION),
]


@pytest.mark.parametrize(("if_match", "if_none_match", "expected"), WRITES)
def test_a_write_expects_the_one_version_that_its_preconditions_leave(
    if_match: str | None, if_none_match: str | None, expected: int
) -> None:
    async def current() -> int:
        return 7

    asked = Preconditions(
        parse_tags(if_match) if if_match else None, parse_tags(if_none_match) if if_none_match else None
    )
    assert asyncio.run(asked.expected_version(current)) == expected


def test_one_tag_needs_no_look_at_the_current_version() -> None:
    async def current() -> int:
        raise AssertionError("not needed")

    assert asyncio.run(Preconditions(parse_tags('"7"')).expected_version(current)) == 7
