"""The mails of the auth service."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from auth.accounts import store
from auth.secrets import Secrets
from auth.settings import Settings
from auth.tables import mail_tables
from chassis.house import House
from chassis.mail.mails import Completed, Mails

MAILS: Final = Mails("auth", mail_tables)


@MAILS.completes("register_code")
@MAILS.completes("reset_code")
async def add_code(house: House[Settings], context: Mapping[str, Any]) -> Completed | None:
    """Add the code, which stands in no table; nothing is sent for a request that is over or one too many."""
    id_ = UUID(context["request_id"])
    async with house.database.connection() as connection:
        found = await store.get_request(connection, id_)
    if not context["send"] or found is None or not found.good(datetime.now(UTC)):
        return None
    secrets = Secrets(house.settings.auth_secret.get_secret_value())
    code = secrets.code(found.purpose.value, id_)
    shown = f"{code[:4]} {code[4:]}"
    return Completed({"code": shown, "expires": found.expires_at.strftime("%Y-%m-%d %H:%M UTC")})


@MAILS.completes("already_registered")
async def tell_of_account(house: House[Settings], context: Mapping[str, Any]) -> Completed | None:
    """Send it, unless it is one too many."""
    del house
    return Completed() if context["send"] else None


@MAILS.completes("nothing_to_reset")
async def send_nothing(house: House[Settings], context: Mapping[str, Any]) -> Completed | None:
    """Send nothing to an address that has no account: the letter exists so that asking costs the same."""
    del house, context
    return None
