"""Random interleavings of refreshes, revocations, replays and crashes against the real database, on a clock of our own.

After each step it holds: of one family at most the current token and, in its grace, the one before it are good; all
that are good lead to one successor; in a family that ended nothing is good; and no family ended that nobody robbed or
revoked.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from uuid_utils.compat import uuid7

from auth.accounts import store as accounts
from auth.accounts.model import Account
from auth.equipment import Equipment
from auth.errors import InvalidRefreshToken
from auth.sessions import store, tokens
from auth.sessions.model import Lifetimes, Session
from auth.sessions.servicer import SessionsServicer
from auth.settings import Settings
from auth.testing import somewhere
from chassis import call as calls
from chassis.call import Call
from chassis.database import Connection, Database
from chassis.house import House
from chassis.service import Service
from neoforge.auth.v1 import sessions_pb2 as pb

PROFILE = profile(
    max_examples=80, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

WHICH = st.integers(0, 1)
WAIT_S = st.sampled_from([0, 0, 0, 1, 9, 11])


class Crash(Exception):
    """The process dies before it commits."""


class World:
    """The service's own code on a database, one call at a time or many, and a clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, house: House[Settings]) -> None:
        self._loop = loop
        self.now = datetime.now(UTC)
        self.with_ = Equipment.of(house, lambda: self.now)
        self._servicer = SessionsServicer(self.with_)

    def run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    async def _as_caller(self, work: Callable[[], Any]) -> Any:
        calls.enter(Call("test", somewhere()))
        return await work()

    def begin(self, number: int) -> list[Session]:
        async def begin() -> Session:
            await self.with_.issuer.ready()
            key = f"{uuid7()}@example.test"
            account = Account(uuid7(), key, key, "", "en", "x", frozenset({"user"}), self.now, self.now)
            session = Session.new(
                id=uuid7(),
                user_id=account.id,
                seed=b"s" * 32,
                label="x",
                user_agent="",
                address="192.0.2.1",
                now=self.now,
                lifetimes=self.with_.lifetimes,
            )
            async with self.with_.database.transaction() as tx:
                await accounts.insert(tx, account)
                await store.insert(tx, session, self.with_.refresh_tokens.hashed(session))
            return session

        return [self.run(begin()) for _ in range(number)]

    async def refresh(self, token: str) -> str | None:
        async def ask() -> str | None:
            try:
                reply = await self._servicer.Refresh(pb.RefreshRequest(refresh_token=token), None)
            except InvalidRefreshToken:
                return None
            return reply.tokens.refresh_token

        found: str | None = await asyncio.create_task(self._as_caller(ask))
        return found

    def refreshes(self, given: list[str]) -> list[str | None]:
        async def all_at_once() -> list[str | None]:
            return list(await asyncio.gather(*map(self.refresh, given)))

        found: list[str | None] = self.run(all_at_once())
        return found

    def crash(self, token: str) -> None:
        """Refresh, and die between the writing and the commit."""
        database = self.with_.database

        class Dying(Database):
            def __init__(self) -> None:
                self.__dict__ = database.__dict__

            def transaction(self) -> Any:
                return dying(database)

        servicer = SessionsServicer(self.with_)
        servicer._database = Dying()

        async def die() -> None:
            with pytest.raises((Crash, InvalidRefreshToken)):
                await servicer.Refresh(pb.RefreshRequest(refresh_token=token), None)

        self.run(self._as_caller(die))

    def revoke(self, session: Session) -> None:
        async def end() -> None:
            async with self.with_.database.transaction() as tx:
                await store.revoke(tx, session.id, "revoked", self.now)

        self.run(end())

    def stored(self, session: Session) -> Session:
        async def read() -> Session:
            async with self.with_.database.transaction() as tx:
                found = await store.get_for_change(tx, session.id)
            assert found is not None
            return found[0]

        kept: Session = self.run(read())
        return kept


@asynccontextmanager
async def dying(database: Database) -> AsyncIterator[Connection]:
    async with database.transaction() as tx:
        yield tx
        raise Crash


class Family:
    """What ought to be true of a session: the tokens of its generations, and whether and why it ended."""

    def __init__(self, session: Session, first: str) -> None:
        self.session = session
        self.issued = [first]
        self.rotated_at = session.created_at
        self.ended = False


def machine(world: World) -> type[RuleBasedStateMachine]:  # noqa: C901 - one rule is one thing that may happen
    class Sessions(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.families = [Family(session, world.with_.refresh_tokens.of(session)) for session in world.begin(2)]

        @rule(which=WHICH, age=st.sampled_from([0, 0, 0, 1, 1, 2]), times=st.integers(1, 3), wait_s=WAIT_S)
        def refresh(self, which: int, age: int, times: int, wait_s: int) -> None:
            family = self.families[which]
            world.now += timedelta(seconds=wait_s)
            generation = max(0, len(family.issued) - 1 - age)
            token = family.issued[generation]
            current = generation == len(family.issued) - 1
            before = generation == len(family.issued) - 2
            in_grace = before and world.now - family.rotated_at <= world.with_.lifetimes.grace
            found = world.refreshes([token] * times)
            if family.ended:
                assert set(found) == {None}
            elif current:
                assert len(set(found)) == 1
                assert found[0] not in {None, *family.issued}
                family.issued.append(str(found[0]))
                family.rotated_at = world.now
            elif in_grace:
                assert set(found) == {family.issued[-1]}
            else:
                assert set(found) == {None}
                family.ended = True

        @rule(which=WHICH)
        def two_generations_at_once(self, which: int) -> None:
            """The current token and the one before it, raced: whichever is first, there is one successor or none."""
            family = self.families[which]
            if family.ended or len(family.issued) < 2:
                return
            old, current = family.issued[-2:]
            found_old, found_current = world.refreshes([old, current])
            family.ended = world.stored(family.session).revoked_at is not None
            if not family.ended:
                assert found_old == current
            if not family.ended or found_current is not None:
                assert found_current not in {None, current}
                family.issued.append(str(found_current))
                family.rotated_at = world.now

        @rule(which=WHICH)
        def crash(self, which: int) -> None:
            world.crash(self.families[which].issued[-1])

        @rule(which=WHICH)
        def revoke(self, which: int) -> None:
            world.revoke(self.families[which].session)
            self.families[which].ended = True

        @rule(which=WHICH)
        def mix(self, which: int) -> None:
            """A token with another family's proof is forged, and harms nobody."""
            family, other = self.families[which], self.families[1 - which]
            forged = family.issued[-1][:40] + other.issued[-1][40:]
            assert tokens.read(forged)
            assert world.refreshes([forged]) == [None]

        @rule(which=WHICH)
        def look(self, which: int) -> None:
            family = self.families[which]
            kept = world.stored(family.session)
            assert kept.generation == len(family.issued)
            assert (kept.revoked_at is not None) == family.ended

    return Sessions


def test_no_interleaving_leaves_two_successors_a_live_token_in_an_ended_family_or_an_innocent_ended(
    service: Service[Settings], settings: Settings
) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        database = Database.of(settings, service.name)
        loop.run_until_complete(database.open())
        house = service.house(settings, database)
        world = World(loop, house)
        assert world.with_.lifetimes == Lifetimes(timedelta(days=14), timedelta(days=90), timedelta(seconds=10))
        run_state_machine_as_test(machine(world), settings=PROFILE)
        loop.run_until_complete(house.outbox.close())
        loop.run_until_complete(database.close())
