"""Mails that tell the owner of an account what happened to it, in the transaction in which it happened."""

from auth.accounts.model import Account
from auth.equipment import Equipment
from chassis.database import Connection
from chassis.mail.addresses import Address, Mailbox


class Notices:
    """Leaves mails to owners in the outbox."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment

    async def tell(self, tx: Connection, account: Account, template: str, **context: object) -> None:
        """Have a mail sent to the owner of an account; its template is told `at` beside the rest."""
        at = self._with.now().strftime("%Y-%m-%d %H:%M UTC")
        await self._with.mails.put(
            tx,
            self._with.outbox,
            to=Mailbox(account.name, Address.parse(account.email)),
            template=template,
            language=account.language,
            context={"at": at, **context},
        )
