"""Runs a service's migrations, one process at a time, with a lock timeout so that traffic is never blocked for long."""

import logging
import time
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

log = logging.getLogger(__name__)

ENVIRONMENT: Final = Path(__file__).parent / "environment"
LOCK_TIMEOUT: Final = "3s"
"""A statement that cannot have its table lock within this fails, and the migration is run again later, rather than
that every query queues up behind it."""

_TURN_POLL_S: Final = 0.2


def config(versions: Path, metadata: sa.MetaData, connection: sa.Connection | None = None) -> Config:
    """Give Alembic's configuration for the migrations in `versions` of the schema that `metadata` describes."""
    made = Config()
    made.set_main_option("script_location", str(ENVIRONMENT).replace("%", "%%"))
    made.set_main_option("version_locations", str(versions).replace("%", "%%"))
    made.set_main_option("path_separator", "newline")
    attributes: dict[str, Any] = {"metadata": metadata, "connection": connection}
    made.attributes.update(attributes)
    return made


def engine(url: str) -> sa.Engine:
    """Give an engine without a pool for `postgresql://...`."""
    return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)


def upgrade(url: str, versions: Path, metadata: sa.MetaData, revision: str = "head") -> None:
    """Bring the schema to `revision`; of several that run at once, one works and the others find it done."""
    schema = metadata.schema or "public"
    owner = engine(url)
    with owner.connect() as connection:
        _wait_for_turn(connection, schema)
        connection.execute(sa.text("SELECT set_config('lock_timeout', :timeout, false)"), {"timeout": LOCK_TIMEOUT})
        connection.commit()
        command.upgrade(config(versions, metadata, connection), revision)
        _keep_for_the_owner(connection, schema)
        connection.commit()
    owner.dispose()
    log.info("schema %s is at %s", schema, revision)


def behind(url: str, versions: Path, metadata: sa.MetaData) -> str:
    """Say what the schema lacks of the migrations in `versions`, if anything; either role of its service may ask."""
    schema = metadata.schema or "public"
    wanted = ScriptDirectory.from_config(config(versions, metadata)).get_current_head()
    role = engine(url)
    with role.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": schema})
        found = context.get_current_revision()
    role.dispose()
    if found != wanted:
        return f"schema {schema} is at {found}, not at {wanted}"
    log.info("schema %s is at %s, as it should be", schema, found)
    return ""


def _wait_for_turn(connection: sa.Connection, schema: str) -> None:
    """Take the lock of the schema's migrations, for the session, since a migration may commit in between.

    It is asked for again and again, because CREATE INDEX CONCURRENTLY waits for every statement that is running, and so
    for one that would wait here for the lock.
    """
    ask = sa.text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
    waits = False
    while not connection.execute(ask, {"name": f"migrate {schema}"}).scalar_one():
        connection.rollback()
        if not waits:
            log.info("another migration of schema %s is running; waiting for its end", schema)
            waits = True
        time.sleep(_TURN_POLL_S)
    connection.commit()


def _keep_for_the_owner(connection: sa.Connection, schema: str) -> None:
    """Let the run-time role read the revision, and no more; default privileges have given it into its hands."""
    quoted = connection.dialect.identifier_preparer.quote(schema)
    table = f"{quoted}.alembic_version"
    role = sa.text("SELECT FROM pg_roles WHERE rolname = :role")
    exists = connection.execute(sa.text("SELECT to_regclass(:table)"), {"table": table}).scalar_one()
    if exists and connection.execute(role, {"role": schema}).first() is not None:
        connection.execute(sa.text(f"REVOKE ALL ON {table} FROM {quoted}"))
        connection.execute(sa.text(f"GRANT SELECT ON {table} TO {quoted}"))


def downgrade(url: str, versions: Path, metadata: sa.MetaData, revision: str) -> None:
    """Bring the schema back to `revision`."""
    owner = engine(url)
    with owner.connect() as connection:
        command.downgrade(config(versions, metadata, connection), revision)
        connection.commit()
    owner.dispose()


def script(versions: Path, metadata: sa.MetaData) -> None:
    """Print the SQL of all migrations, for linters and for those who run them by hand."""
    print(f"SET lock_timeout = '{LOCK_TIMEOUT}';", flush=True)  # noqa: T201 - the SQL goes to stdout, as Alembic's does
    command.upgrade(config(versions, metadata), "head", sql=True)
