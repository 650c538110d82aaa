"""Conditional requests (RFC 9110, section 13): reading preconditions, comparing tags, deciding in their precedence.

A project's tag is its version in quotes, `"7"`; a body that went out compressed has the tag `"7-gzip"`, since two forms
never share a strong tag (section 8.8.3.3), and either is accepted back. No `Last-Modified` is ever sent, so conditions
on dates have nothing to be compared with and are ignored, as section 13.1.3 says.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from gateway.problems import Problem

GZIP_SUFFIX: Final = "-gzip"
STATE_MARK: Final = "."
"""Between the version and a hash of the rest, in the tag of what shows a state beside what can be changed."""
NO_VERSION: Final = 2**63 - 1
"""A version that nothing has: sent as the expected one where no tag of the request can be the current one, so that the
service refuses in its own order (404 and 403 before 412) and an idempotent replay still gets its first answer."""

_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_VERSION: Final = re.compile(r"([1-9][0-9]{0,18})(?:-gzip)?")
_LONGEST_FIELD: Final = 4_096


@dataclass(frozen=True, slots=True)
class Tag:
    """An entity tag (RFC 9110, section 8.8.3), without its quotes."""

    opaque: str
    weak: bool = False

    def strongly_equals(self, opaque: str) -> bool:
        """Whether this is the strong tag `opaque` (section 8.8.3.2)."""
        return not self.weak and self.opaque == opaque


@dataclass(frozen=True, slots=True)
class Tags:
    """What If-Match or If-None-Match holds: a list of tags, or `*` (`any_tag`)."""

    tags: tuple[Tag, ...] = ()
    any_tag: bool = False


class Outcome(Enum):
    """What the preconditions of a read say."""

    PROCEED = "proceed"
    NOT_MODIFIED = "not modified"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The preconditions of one request."""

    if_match: Tags | None = None
    if_none_match: Tags | None = None

    @property
    def name(self) -> str | None:
        """The field that guards, or None; If-Match goes before (RFC 9110, section 13.2.2)."""
        if self.if_match is not None:
            return "If-Match"
        return None if self.if_none_match is None else "If-None-Match"

    def known_version(self, *, gzip_accepted: bool) -> int:
        """Give the version that a read need not send again; 0 when there is none or the tags leave a choice."""
        if self.if_match is None and self.if_none_match is not None and len(self.if_none_match.tags) == 1:
            opaque = self.if_none_match.tags[0].opaque
            if gzip_accepted or not opaque.endswith(GZIP_SUFFIX):
                return version_of(opaque) or 0
        return 0

    def known_form(self, opaque: str, *, gzip_accepted: bool) -> str | None:
        """Give that form of the representation `opaque` which the client holds and can still use, or None."""
        if self.if_none_match is None:
            return None
        forms = (opaque, opaque + GZIP_SUFFIX) if gzip_accepted else (opaque,)
        held = {tag.opaque for tag in self.if_none_match.tags}  # weak comparison: the mark does not matter
        return next((form for form in forms if form in held), None)

    def of_read(self, opaque: str, *, gzip_accepted: bool) -> Outcome:
        """Decide about a GET or HEAD whose representation has the strong tag `opaque` (section 13.2.2)."""
        if self.if_match is not None and not self.if_match.any_tag:
            forms = (opaque, opaque + GZIP_SUFFIX)
            if not any(tag.strongly_equals(form) for tag in self.if_match.tags for form in forms):
                return Outcome.FAILED
        if self.if_none_match is not None and (
            self.if_none_match.any_tag or self.known_form(opaque, gzip_accepted=gzip_accepted)
        ):
            return Outcome.NOT_MODIFIED
        return Outcome.PROCEED

    def without_state(self) -> "Preconditions":
        """Give these for a write: what a tag says of a state that comes and goes by itself guards no field."""
        return Preconditions(_without_state(self.if_match), _without_state(self.if_none_match))

    async def expected_version(self, current: Callable[[], Awaitable[int]]) -> int:
        """Give the one version that a write is meant for: 0 for any, NO_VERSION for none.

        The service compares it inside its transaction; `current` is asked only where one number can't say it.
        """
        wanted = None if self.if_match is None or self.if_match.any_tag else _strong_versions(self.if_match.tags)
        if self.if_none_match is None:
            if wanted is None:
                return 0
            if len(wanted) <= 1:
                return next(iter(wanted), NO_VERSION)
        version = await current()
        if wanted is not None and version not in wanted:
            return NO_VERSION
        unwanted = self.if_none_match
        if unwanted is not None and (unwanted.any_tag or version in {version_of(tag.opaque) for tag in unwanted.tags}):
            return NO_VERSION
        return version


NONE: Final = Preconditions()


def preconditions(headers: Iterable[tuple[bytes, bytes]]) -> Preconditions:
    """Read a request's preconditions.

    Raises:
        Problem: one of them is no list of entity tags; unlike a filter, a safeguard must not be ignored.
    """
    if_match = if_none_match = None
    for name, value in headers:
        if name == b"if-match":
            if_match = value if if_match is None else if_match + b"," + value
        elif name == b"if-none-match":
            if_none_match = value if if_none_match is None else if_none_match + b"," + value
    if if_match is None and if_none_match is None:
        return NONE
    return Preconditions(_read("If-Match", if_match), _read("If-None-Match", if_none_match))


def parse_tags(field: str) -> Tags:
    """Read the value of If-Match or If-None-Match; empty list elements are passed over (section 5.6.1.2).

    Raises:
        ValueError: it is neither `*` nor a list of entity tags.
    """
    if field.strip(" \t") == "*":
        return Tags(any_tag=True)
    if len(field) > _LONGEST_FIELD:
        raise ValueError("too long")
    tags = []
    position = 0
    after_tag = False
    while position < len(field):
        if field[position] in " \t":
            position += 1
        elif field[position] == ",":
            position += 1
            after_tag = False
        elif (found := _TAG.match(field, position)) and not after_tag:
            tags.append(Tag(found[2], weak=found[1] is not None))
            position = found.end()
            after_tag = True
        else:
            raise ValueError(f"no entity tag at character {position}")
    if not tags:
        raise ValueError("empty")
    return Tags(tuple(tags))


def version_of(opaque: str) -> int | None:
    """Give the version that a tag names, or None when it names none."""
    found = _VERSION.fullmatch(opaque)
    if found is None:
        return None
    version = int(found[1])
    return version if version < NO_VERSION else None


def _strong_versions(tags: Iterable[Tag]) -> set[int]:
    return {version for tag in tags if not tag.weak and (version := version_of(tag.opaque)) is not None}


def _without_state(tags: Tags | None) -> Tags | None:
    if tags is None:
        return None
    return replace(tags, tags=tuple(replace(tag, opaque=tag.opaque.partition(STATE_MARK)[0]) for tag in tags.tags))


def _read(name: str, value: bytes | None) -> Tags | None:
    if value is None:
        return None
    try:
        return parse_tags(value.decode("latin-1"))
    except ValueError as fault:
        raise Problem(
            "MALFORMED_PRECONDITION",
            f'{name} must be * or a list of entity tags in double quotes, such as "7": {fault}.',
        ) from None
