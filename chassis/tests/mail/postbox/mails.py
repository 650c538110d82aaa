from collections.abc import Mapping
from typing import Any

from chassis.house import House
from chassis.jobs.declaration import Jobs
from chassis.mail.mails import Completed, Mails
from chassis.mail.settings import MailSettings
from postbox.tables import mails as tables

mails = Mails("postbox", tables)
jobs = Jobs[MailSettings]()
jobs.include(mails.jobs)


@mails.completes("greeting")
async def add_link(house: House[MailSettings], context: Mapping[str, Any]) -> Completed | None:
    if context["about"] == "revoked":
        return None
    unsubscribe = "https://news.example.test/leave?token=secret" if context["about"] == "news" else None
    return Completed({"link": "https://example.test/#secret-token"}, unsubscribe)
