import sqlalchemy as sa

from chassis import idempotency
from chassis.jobs import tables
from chassis.mail.tables import mail_tables

metadata = sa.MetaData(schema="postbox")
idempotency_keys = idempotency.table(metadata)
job_tables = tables.job_tables(metadata)
mails = mail_tables(metadata)
