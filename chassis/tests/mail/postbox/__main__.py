from pathlib import Path

from chassis.mail.settings import MailSettings
from chassis.service import Service
from postbox.mails import jobs
from postbox.tables import idempotency_keys, job_tables, metadata


class Postbox(Service[MailSettings]):
    @property
    def version(self) -> str:
        return "0"


SERVICE = Postbox(
    name="postbox",
    settings=MailSettings,
    tables=metadata,
    idempotency_keys=idempotency_keys,
    job_tables=job_tables,
    migrations=Path(__file__).parent / "migrations",
    descriptors=[],
    build=lambda _: [],
    jobs=jobs,
)
