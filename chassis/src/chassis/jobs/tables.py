"""The three tables that every service has for its jobs."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

MOMENT = sa.DateTime(timezone=True)


@dataclass(frozen=True)
class JobTables:
    """The tables of a service's jobs, in its schema."""

    outbox: sa.Table
    handled: sa.Table
    schedule_runs: sa.Table


def job_tables(metadata: sa.MetaData) -> JobTables:
    """Give the tables of the jobs of the service whose tables `metadata` describes."""
    live = sa.text("dead_at IS NULL")
    outbox = sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        # Counted by the database, since the clocks that ids are made from differ.
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("aggregate", sa.Text),
        sa.Column("traceparent", sa.Text),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        # How often the job was begun, so that one which kills its worker is counted too.
        sa.Column("attempts", sa.Integer, nullable=False),
        # Whose the row is until `leased_until`: a worker's (its lease), or the broker's (no lease, handed out).
        sa.Column("lease", sa.Uuid),
        sa.Column("leased_until", MOMENT),
        sa.Column("last_error", sa.Text),
        sa.Column("dead_at", MOMENT),
        sa.Index("outbox_due_idx", "due_at", "position", postgresql_where=live),
        sa.Index(
            "outbox_aggregate_idx",
            "aggregate",
            "position",
            postgresql_where=sa.text("aggregate IS NOT NULL AND dead_at IS NULL"),
        ),
    )
    handled = sa.Table(
        "handled",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("handled_at", MOMENT, nullable=False),
        sa.Index("handled_handled_at_idx", "handled_at"),
    )
    schedule_runs = sa.Table(
        "schedule_runs",
        metadata,
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        # Of any number of schedulers, the one that inserts the row has the run.
        sa.PrimaryKeyConstraint("job", "due_at", name="schedule_runs_pkey"),
    )
    return JobTables(outbox, handled, schedule_runs)
