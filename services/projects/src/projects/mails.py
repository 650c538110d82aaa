"""The mails of the projects service."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from chassis.house import House
from chassis.mail.mails import Completed, Mails
from projects.invitations import store
from projects.invitations.links import Links
from projects.settings import Settings
from projects.tables import mail_tables

MAILS: Final = Mails("projects", mail_tables)
_LONGEST_NAME: Final = 80
"""Characters of a project's name in a mail: enough to recognise it, too few to write somebody a letter with."""


def links_of(settings: Settings) -> Links:
    """Give the maker of invitations' links."""
    return Links(settings.invitation_secret.get_secret_value(), settings.invitation_url)


@MAILS.completes("invitation")
async def complete_invitation(house: House[Settings], context: Mapping[str, Any]) -> Completed | None:
    """Add the link, which stands in no table; nothing is sent for an invitation that has ended or was sent anew."""
    id_, generation = UUID(context["invitation_id"]), int(context["generation"])
    async with house.database.connection() as connection:
        found = await store.get_with_project(connection, id_)
    if found is None or not found[0].pending(generation, datetime.now(UTC)):
        return None
    invitation, project_name = found
    shown = project_name if len(project_name) <= _LONGEST_NAME else f"{project_name[: _LONGEST_NAME - 1].rstrip()}…"
    return Completed(
        {
            "name": invitation.name,
            "project": shown,
            "role": invitation.role.value,
            "link": links_of(house.settings).link(id_, generation),
            "expires": invitation.expires_at.strftime("%Y-%m-%d %H:%M UTC"),
        }
    )
