"""What migrations do to tables while they are used."""

from typing import Any

from alembic import op

from chassis.migrations import runner


def create_index(name: str, table: str, columns: list[Any], *, schema: str, **options: Any) -> None:
    """Build an index while the table is read and written; options as of Alembic's `create_index`.

    It waits for every transaction of the database that is older, those of other schemas too, for as long as they take.
    The limit that keeps other statements from making traffic wait is not for this one: nobody waits for it but the
    migration. What an interrupted one left behind serves nobody, and is built anew.
    """
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name}")
        op.create_index(name, table, columns, schema=schema, postgresql_concurrently=True, **options)
        op.execute(f"SET lock_timeout = '{runner.LOCK_TIMEOUT}'")
