"""Cache-Control (RFC 9111, section 5.2; RFC 5861): what a request asks of a cache, and what an answer allows one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_DIRECTIVE: Final = re.compile(r"""([!#$%&'*+.^_`|~0-9a-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*)))?""")
_LONGEST_S: Final = 2**31
"""What a cache that counts no further takes a longer time for (RFC 9111, section 1.2.2)."""


@dataclass(frozen=True, slots=True)
class Directives:
    """What a request asks of a cache (section 5.2.1).

    `max-stale` is passed over, as a cache may: how stale an answer may get is for who gives it to say.
    """

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age_s: int | None = None
    min_fresh_s: int = 0

    def accepts(self, age_s: float, left_s: float) -> bool:
        """Whether an answer of this age will do that stays fresh for `left_s` seconds more, negative when stale."""
        if self.no_cache or self.no_store or (self.max_age_s is not None and age_s > self.max_age_s):
            return False
        return not self.min_fresh_s or left_s >= self.min_fresh_s


NONE: Final = Directives()


def directives(headers: Iterable[tuple[bytes, bytes]]) -> Directives:
    """Read what a request asks of a cache; `Pragma: no-cache` counts where there is no Cache-Control (section 5.4)."""
    asked = [value for name, value in headers if name == b"cache-control"]
    if asked:
        return _read(b",".join(asked))
    if any(name == b"pragma" and b"no-cache" in value.lower() for name, value in headers):
        return Directives(no_cache=True)
    return NONE


@lru_cache(maxsize=256)
def _read(value: bytes) -> Directives:
    said: dict[str, str] = {}
    for name, quoted, plain in _DIRECTIVE.findall(value.decode("latin-1").lower()):
        said.setdefault(name, quoted or plain)
    return Directives(
        no_cache="no-cache" in said,
        no_store="no-store" in said,
        only_if_cached="only-if-cached" in said,
        # What is no number asks for something: the strictest that it can have meant.
        max_age_s=_seconds(said["max-age"], 0) if "max-age" in said else None,
        min_fresh_s=_seconds(said["min-fresh"], _LONGEST_S) if "min-fresh" in said else 0,
    )


def _seconds(value: str, otherwise: int) -> int:
    if not re.fullmatch("[0-9]+", value):
        return otherwise
    return min(int(value[:20]), _LONGEST_S)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """For how long everyone may keep an answer, in seconds since it was true."""

    fresh_s: int
    while_revalidating_s: int = 0
    """How much longer it is given while a new one is fetched (RFC 5861, section 3)."""
    on_error_s: int = 0
    """How much longer it is given while there is no new one to be had (RFC 5861, section 4)."""

    @property
    def field(self) -> bytes:
        """The value of Cache-Control."""
        said = b"public, max-age=%d" % self.fresh_s
        if self.while_revalidating_s:
            said += b", stale-while-revalidate=%d" % self.while_revalidating_s
        if self.on_error_s:
            said += b", stale-if-error=%d" % self.on_error_s
        return said
