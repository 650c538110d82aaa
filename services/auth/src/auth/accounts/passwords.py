"""Passwords: which are taken, and hashing with argon2id (RFC 9106) by the figures of OWASP, off the event loop."""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth.settings import Settings
from chassis.errors import InvalidFields, Unavailable, Violation

LEAST: Final = 10
MOST: Final = 128
_WAITING: Final = 32
"""How many may wait for a worker; beyond, the service says that it is busy, so that a flood of sign-ins ends there."""
_TRIMMINGS: Final = "0123456789!?.,-_*#$@+ "


class Passwords:
    """Hashes and checks passwords in threads of its own; argon2 lets go of the interpreter meanwhile."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_lanes,
        )
        self._threads = ThreadPoolExecutor(settings.password_workers, thread_name_prefix="argon2")
        self._room = asyncio.Semaphore(settings.password_workers + _WAITING)
        self._nobodys = self._hasher.hash("of an account that is not there")

    async def hash(self, password: str) -> str:
        """Give the hash to be stored.

        Raises:
            Unavailable: too many wait already.
        """
        return await self._run(self._hash, password)

    async def check(self, password: str, stored: str | None) -> bool:
        """Whether the password is the one of a stored hash; without one it takes the same time and is not.

        Raises:
            Unavailable: too many wait already.
        """
        return await self._run(self._check, password, stored or self._nobodys) == "yes" and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made by lower figures than today's."""
        return self._hasher.check_needs_rehash(stored)

    async def _run(self, work: object, *arguments: str) -> str:
        if self._room.locked():
            raise Unavailable("too many passwords wait to be checked")
        async with self._room:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work, *arguments)  # type: ignore[arg-type] # one of the two below

    def _hash(self, password: str) -> str:
        return self._hasher.hash(_normal(password))

    def _check(self, password: str, stored: str) -> str:
        try:
            return "yes" if self._hasher.verify(stored, _normal(password)) else "no"
        except (VerificationError, InvalidHashError):
            return "no"


def refuse_weak(field: str, password: str, *personal: str) -> None:
    """Let a new password pass (NIST SP 800-63B, section 3.1.1.2): long enough, not well known, not one's own address.

    Raises:
        InvalidFields: it is not good enough.
    """
    if not LEAST <= len(password) <= MOST:
        raise InvalidFields.of([Violation(field, f"must have {LEAST} to {MOST} characters")])
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in password):
        raise InvalidFields.of([Violation(field, "must not hold control characters")])
    folded = password.casefold()
    bare = folded.strip(_TRIMMINGS)
    known = common()
    if folded in known or bare in known or len(set(folded)) <= 2:  # noqa: PLR2004 - aaaaaaaaaa, abababababab
        raise InvalidFields.of([Violation(field, "is among the passwords that are tried first")])
    if folded in {text.casefold() for text in personal} or bare in {text.casefold() for text in personal}:
        raise InvalidFields.of([Violation(field, "must not be the address or the name")])


def refuse_same(field: str, password: str, current: str) -> None:
    """Let a new password pass that is another one than the current, however a keyboard composes it.

    Raises:
        InvalidFields: it is the same, and who knew it would go on knowing it.
    """
    if _normal(password) == _normal(current):
        raise InvalidFields.of([Violation(field, "must be another one than before")])


@cache
def common() -> frozenset[str]:
    """Give the 10,000 most common passwords of 6 characters and more (from zxcvbn, MIT licence)."""
    text = files("auth.accounts").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.split("\n")) - {""}


def _normal(password: str) -> str:
    """One password however a keyboard composes it (NFKC, NIST SP 800-63B, section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
