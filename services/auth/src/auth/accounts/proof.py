"""Proving by the password that a signed-in person is the owner of the account."""

from uuid import UUID

from auth.accounts import store
from auth.accounts.model import Account
from auth.attempts.limits import PASSWORDS
from auth.equipment import Equipment
from auth.errors import TooManyAttempts, WrongPassword


class PasswordProof:
    """Checks current passwords, at a speed that guessing doesn't profit from."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment

    async def prove(self, person: UUID, password: str) -> Account:
        """Give the person's account if this is its password; each try is counted before it is made.

        Raises:
            TooManyAttempts: there were too many tries lately; the password was not looked at.
            WrongPassword: it is not.
        """
        async with self._with.database.connection() as connection:
            wait_s = await self._with.attempts.count(connection, PASSWORDS, str(person))
            account = await store.get(connection, person)
        if wait_s:
            raise TooManyAttempts(wait_s)
        if not await self._with.passwords.check(password, account.password_hash if account else None):
            async with self._with.database.transaction() as tx:
                await self._with.trail.write(tx, "account.wrong_password", account_id=person)
            raise WrongPassword
        if account is None:
            raise WrongPassword
        async with self._with.database.connection() as connection:
            await self._with.attempts.clear(connection, PASSWORDS, str(person))
        return account
