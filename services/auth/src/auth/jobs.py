"""What the auth service does later."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from auth import revocations
from auth.access_tokens import store as access_tokens
from auth.accounts import store as accounts
from auth.attempts import counter
from auth.mails import MAILS
from auth.passkeys import store as passkeys
from auth.secrets import Secrets
from auth.sessions import pending
from auth.sessions import store as sessions
from auth.settings import Settings
from auth.signing import issuer
from auth.verification.servicer import REMEMBERED
from chassis.database import Connection
from chassis.jobs.declaration import Jobs
from chassis.jobs.work import Work

KEPT: Final = timedelta(days=30)
"""How long sessions and tokens are kept after their end, so that somebody who asks can be told."""
_COUNTED: Final = timedelta(hours=25)
"""Longer than the longest window in which tries are counted."""

jobs = Jobs[Settings]()
jobs.include(MAILS.jobs)

Removal = Callable[[Connection, datetime], Awaitable[int]]


async def remove(work: Work[Settings], removal: Removal, older_than: timedelta) -> None:
    """Remove what is older, some at a time, so that no statement takes long."""
    before = datetime.now(UTC) - older_than
    left = True
    while left:
        async with work.house.database.connection() as connection:
            left = bool(await removal(connection, before))


@jobs.periodic("auth.prune_sessions", every=timedelta(hours=1))
async def prune_sessions(work: Work[Settings]) -> None:
    """Remove sessions that were revoked or expired a month ago."""
    await remove(work, sessions.prune, KEPT)


@jobs.periodic("auth.forget_registrations", every=timedelta(hours=1))
async def forget_registrations(work: Work[Settings]) -> None:
    """Remove registrations that were never confirmed, and resets that were not made."""
    await remove(work, accounts.forget_requests, timedelta(0))


@jobs.periodic("auth.forget_revocations", every=timedelta(minutes=5))
async def forget_revocations(work: Work[Settings]) -> None:
    """Remove revocations that every access token has outlived, and counts of tries whose windows are over."""
    await remove(work, revocations.forget, REMEMBERED)
    await remove(work, counter.forget, _COUNTED)


@jobs.periodic("auth.forget_pending_sign_ins", every=timedelta(minutes=15))
async def forget_pending_sign_ins(work: Work[Settings]) -> None:
    """Remove sign-ins that were not completed, and challenges that nobody answered."""
    await remove(work, pending.forget, timedelta(0))
    await remove(work, passkeys.forget_challenges, timedelta(0))


@jobs.periodic("auth.forget_access_tokens", every=timedelta(hours=1))
async def forget_access_tokens(work: Work[Settings]) -> None:
    """Remove personal access tokens that expired a month ago."""
    await remove(work, access_tokens.forget, KEPT)


@jobs.periodic("auth.rotate_signing_keys", every=timedelta(hours=1))
async def rotate_signing_keys(work: Work[Settings]) -> None:
    """Make a new signing key when the latest is old, and remove those that nothing needs any more."""
    settings = work.house.settings
    secrets = Secrets(settings.auth_secret.get_secret_value())
    await issuer.rotate(
        work.house.database, secrets, datetime.now(UTC), at_least=timedelta(days=settings.signing_key_days)
    )
