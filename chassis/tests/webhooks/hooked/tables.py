import sqlalchemy as sa

from chassis import idempotency
from chassis.jobs import tables as jobs
from chassis.webhooks import tables as webhooks

metadata = sa.MetaData(schema="hooked")
idempotency_keys = idempotency.table(metadata)
job_tables = jobs.job_tables(metadata)
webhook_tables = webhooks.tables(metadata)
