"""What the servicers of this service work with, made once per process."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from auth.accounts.codes import Codes
from auth.accounts.passwords import Passwords
from auth.attempts.counter import Attempts
from auth.audit.trail import Trail
from auth.clock import utc_now
from auth.mails import MAILS
from auth.passkeys.ceremonies import Ceremonies
from auth.passkeys.model import RelyingParty
from auth.secrets import Secrets
from auth.sessions.model import Lifetimes
from auth.sessions.tokens import RefreshTokens
from auth.settings import Settings
from auth.signing.issuer import Issuer
from chassis.database import Database
from chassis.house import House
from chassis.idempotency import Idempotency
from chassis.jobs.outbox import Outbox
from chassis.mail.mails import Mails
from chassis.paging import Cursors


@dataclass(frozen=True)
class Equipment:
    """The chassis' parts and this service's own; `now` is the clock."""

    database: Database
    idempotency: Idempotency
    cursors: Cursors
    outbox: Outbox
    mails: Mails
    secrets: Secrets
    passwords: Passwords
    codes: Codes
    attempts: Attempts
    trail: Trail
    issuer: Issuer
    refresh_tokens: RefreshTokens
    lifetimes: Lifetimes
    party: RelyingParty
    ceremonies: Ceremonies
    now: Callable[[], datetime]

    @classmethod
    def of(cls, house: House[Settings], now: Callable[[], datetime] = utc_now) -> Self:
        """Make it for a house."""
        settings = house.settings
        secrets = Secrets(settings.auth_secret.get_secret_value())
        attempts = Attempts(secrets, now)
        party = RelyingParty(settings.product_name, *settings.relying_party)
        return cls(
            database=house.database,
            idempotency=house.idempotency,
            cursors=house.cursors,
            outbox=house.outbox,
            mails=MAILS,
            secrets=secrets,
            passwords=Passwords(settings),
            codes=Codes(house.database, house.outbox, MAILS, secrets, attempts, now),
            attempts=attempts,
            trail=Trail(secrets, now),
            issuer=Issuer(house.database, secrets, settings, now),
            refresh_tokens=RefreshTokens(secrets),
            lifetimes=Lifetimes(
                timedelta(hours=settings.session_idle_hours),
                timedelta(hours=settings.session_absolute_hours),
                timedelta(seconds=settings.refresh_grace_seconds),
            ),
            party=party,
            ceremonies=Ceremonies(party, secrets),
            now=now,
        )
