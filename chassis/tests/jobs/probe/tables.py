import sqlalchemy as sa

from chassis import idempotency
from chassis.jobs import tables

metadata = sa.MetaData(schema="probe")
idempotency_keys = idempotency.table(metadata)
job_tables = tables.job_tables(metadata)

# What the jobs did, in the order in which they did it.
effects = sa.Table(
    "effects",
    metadata,
    sa.Column("position", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("message_id", sa.Uuid, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)
