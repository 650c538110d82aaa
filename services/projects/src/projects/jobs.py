"""What the projects service does later."""

from datetime import timedelta

from chassis.jobs.declaration import Jobs
from chassis.jobs.work import Work
from chassis.webhooks.notice import by_mail
from chassis.webhooks.wiring import ServiceWebhooks
from projects.invitations import store as invitations
from projects.mails import MAILS
from projects.settings import Settings
from projects.tables import webhook_tables
from projects.webhooks.events import EVENT_TYPES

WEBHOOKS = ServiceWebhooks(webhook_tables, EVENT_TYPES, by_mail(MAILS, "/api/v1/webhooks"))

jobs = Jobs[Settings]()
jobs.include(WEBHOOKS.jobs)
jobs.include(MAILS.jobs)


@jobs.periodic("projects.forget_invitations", every=timedelta(hours=1))
async def forget_invitations(work: Work[Settings]) -> None:
    """Remove the invitations that ended long ago."""
    forgotten = True
    while forgotten:
        async with work.house.database.connection() as connection:
            forgotten = bool(await invitations.forget(connection))
