"""Migrations lead to the tables, run once however many start, go back, and leave the running code alone."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from chassis.embedded.postgresql import PostgreSQL, create_database, create_service
from chassis.migrations import runner
from chassis.service import Service
from chassis.settings import EX_CONFIG
from chassis.testing.acting import Actor, Rows
from chassis.testing.plugin import PASSWORD, Logins, logins
from chassis.testing.process import ServiceProcess
from chassis.testing.specimen import Specimen

# What PostgreSQL itself says of everything in a schema, in its own words.
CATALOG = """
WITH tables AS (
    SELECT oid, relname FROM pg_class
    WHERE relnamespace = %(schema)s::text::regnamespace AND relkind IN ('r', 'p') AND relname <> 'alembic_version'
)
SELECT 'column', relname, attname, concat_ws(
    ' ', format_type(atttypid, atttypmod), attnotnull, collname, attgenerated, attidentity, pg_get_expr(adbin, adrelid)
)
FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
LEFT JOIN pg_collation ON pg_collation.oid = attcollation
UNION ALL
SELECT 'constraint', relname, conname, pg_get_constraintdef(pg_constraint.oid)
FROM tables JOIN pg_constraint ON conrelid = tables.oid AND contype <> 'n'
UNION ALL
SELECT 'index', relname, indexrelid::regclass::text, pg_get_indexdef(indexrelid)
FROM tables JOIN pg_index ON indrelid = tables.oid
ORDER BY 1, 2, 3
"""


@pytest.fixture
def empty(postgresql: PostgreSQL, service: Service[Any]) -> Iterator[Logins]:
    """A database with the service's roles and an empty schema."""
    name = f"empty_{uuid4().hex}"
    url = create_database(postgresql.admin_url, name)
    create_service(url, service.name, PASSWORD, PASSWORD)
    yield logins(postgresql.admin_url, name, service.name)
    with psycopg.connect(postgresql.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def catalog(url: str, service: Service[Any]) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(CATALOG.encode(), {"schema": service.tables.schema}).fetchall()


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(
    database: Logins, empty: Logins, service: Service[Any]
) -> None:
    direct = runner.engine(empty.owner)
    service.tables.create_all(direct)
    direct.dispose()
    migrated = catalog(database.admin, service)
    assert migrated
    assert migrated == catalog(empty.admin, service)


def of_a_sequence(difference: Any) -> bool:
    """Whether it is about a default that Alembic has evaluated twice, and a sequence gives another number each time.

    That it is the same is seen by the test above.
    """
    return isinstance(difference, list) and all(
        kind == "modify_default" and "nextval" in str(has.arg) and "nextval" in str(wanted.arg)
        for kind, *_, has, wanted in difference
    )


def test_alembic_finds_no_difference_between_tables_and_migrations(database: Logins, service: Service[Any]) -> None:
    owner = runner.engine(database.owner)
    with owner.connect() as connection:
        # The owner's search path makes the service's schema the default one, whose name Alembic would leave out.
        connection.dialect.default_schema_name = "public"
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == service.tables.schema,
                "version_table_schema": service.tables.schema,
                "compare_server_default": True,
                "target_metadata": service.tables,
            },
        )
        assert [found for found in compare_metadata(context, service.tables) if not of_a_sequence(found)] == []
    owner.dispose()


def test_the_migrations_go_back_to_nothing_and_forward_again(database: Logins, service: Service[Any]) -> None:
    before = catalog(database.admin, service)
    runner.downgrade(database.owner, service.migrations, service.tables, "base")
    assert catalog(database.admin, service) == []
    runner.upgrade(database.owner, service.migrations, service.tables)
    assert catalog(database.admin, service) == before


def test_three_migrations_at_once_on_an_empty_database_all_succeed(
    empty: Logins, database: Logins, service: Service[Any], specimen: Specimen
) -> None:
    variables = {"NEOFORGE_MIGRATION_DATABASE_URL": empty.owner}
    processes = [ServiceProcess(service.name, "migrate", variables) for _ in range(3)]
    for process in processes:
        with process:
            assert process.ended() == 0, process.plain
    assert catalog(empty.admin, service) == catalog(database.admin, service)
    assert len(revisions(empty)) == 1


def test_without_the_owners_login_migrate_only_says_whether_there_is_something_to_do(
    empty: Logins, service: Service[Any]
) -> None:
    for variables, ends, says in (
        ({}, EX_CONFIG, "NEOFORGE_MIGRATION_DATABASE_URL: must be set"),
        ({"NEOFORGE_DATABASE_URL": empty.service}, 1, f"schema {service.name} is at None, not at "),
        ({"NEOFORGE_MIGRATION_DATABASE_URL": empty.owner}, 0, "is at head"),
        ({"NEOFORGE_DATABASE_URL": empty.service}, 0, "as it should be"),
    ):
        with ServiceProcess(service.name, "migrate", variables) as process:
            assert process.ended() == ends, process.plain
            assert says in "\n".join([*process.plain, *(line["message"] for line in process.logged)])


def revisions(database: Logins) -> list[Any]:
    with psycopg.connect(database.owner) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchall()


def heads(service: Service[Any]) -> list[str]:
    script = ScriptDirectory.from_config(runner.config(service.migrations, service.tables))
    return [revision.revision for revision in script.walk_revisions()]


async def test_running_code_goes_on_while_the_schema_is_expanded_under_it(
    act: Actor, specimen: Specimen, service: Service[Any], rows: Rows
) -> None:
    """The next release's migration runs while this release serves: what it may add must not disturb any statement."""
    made = await act.made(1)
    await use(act, specimen, made.id, 10)
    for table in service.tables.sorted_tables:
        name = f"{table.schema}.{table.name}"
        await rows.ask(
            f"ALTER TABLE {name} ADD COLUMN of_the_next_release text,"
            " ADD COLUMN with_a_default bigint NOT NULL DEFAULT 7,"
            " ADD COLUMN generated_too bigint GENERATED ALWAYS AS (8) STORED"
        )
        await rows.ask(f"CREATE INDEX ON {name} (of_the_next_release)")
    # On connections that hold prepared statements from before, and on fresh ones.
    await asyncio.gather(*(use(act, specimen, made.id, 20 + n) for n in range(12)))


async def use(act: Actor, specimen: Specimen, id_: str, number: int) -> None:
    """Use every statement that the specimen reaches, often enough that it is prepared."""
    for n in (number * 10, number * 10 + 1):
        made = await act.made(n, key=f"key-{n}")
        await act(specimen.change(id_, n))
        assert specimen.resource(await act(specimen.read(id_))).id == id_
        assert specimen.items(await act(specimen.listing(3, "")))
        assert specimen.items(await act(specimen.filtered(3, "")))
        if specimen.remove is not None:
            await act(specimen.remove(made.id))


async def test_every_row_of_the_schema_before_the_last_revision_is_at_home_in_the_last(
    act: Actor, specimen: Specimen, service: Service[Any], database: Logins, rows: Rows
) -> None:
    """What the release before writes and reads is still taken and given after the last migration.

    Its statements name the columns of its own revision: rows are read and written with those alone. With a single
    revision that is the schema itself.
    """
    await use(act, specimen, (await act.made(1)).id, 1)
    revision = heads(service)[:2][-1]
    before = await asyncio.to_thread(columns_at, revision, database, service)
    for table, columns in before.items():
        names = ", ".join(columns)
        name = f"{service.tables.schema}.{table}"
        copied = f"CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT {names} FROM {name}"  # noqa: S608 - names
        taken = f"INSERT INTO {name} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM kept"  # noqa: S608 - names
        async with await rows.connect() as connection:
            await connection.execute("SET session_replication_role = replica")  # no cascade takes the children along
            await connection.execute(copied.encode())
            await connection.execute(f"DELETE FROM {name}".encode())  # noqa: S608 - names
            await connection.execute(taken.encode())
    assert specimen.items(await act(specimen.listing(3, "")))


def columns_at(revision: str, database: Logins, service: Service[Any]) -> dict[str, list[str]]:
    """Give the tables and the columns that can be written at a revision, and come back to the head."""
    inspected = {}
    runner.downgrade(database.owner, service.migrations, service.tables, revision)
    owner = runner.engine(database.owner)
    inspector = sa.inspect(owner)
    for table in inspector.get_table_names(schema=service.tables.schema):
        if table != "alembic_version":
            found = inspector.get_columns(table, schema=service.tables.schema)
            inspected[table] = [column["name"] for column in found if not column.get("computed")]
    owner.dispose()
    runner.upgrade(database.owner, service.migrations, service.tables)
    return inspected


async def test_the_run_time_role_writes_rows_and_nothing_else(
    postgresql: PostgreSQL, database: Logins, service: Service[Any], specimen: Specimen
) -> None:
    for name in (service.name, "neighbour"):
        create_service(database.admin, name, PASSWORD, PASSWORD)
    owner = logins(postgresql.admin_url, database.database, "neighbour").owner
    with psycopg.connect(owner) as neighbour:
        neighbour.execute("CREATE TABLE neighbour.secrets (secret text)")
    schema, table = service.tables.schema, specimen.table.name
    with psycopg.connect(database.service, autocommit=True) as connection:
        connection.execute(f"SELECT count(*) FROM {schema}.{table}".encode())  # noqa: S608 - names
        for refused in (
            f"CREATE TABLE {schema}.more (id int)",
            "CREATE TABLE public.more (id int)",
            "CREATE TEMPORARY TABLE more (id int)",
            "CREATE SCHEMA more",
            "CREATE ROLE more",
            f"ALTER TABLE {schema}.{table} ADD COLUMN more int",
            f"DROP TABLE {schema}.{table}",
            f"TRUNCATE {schema}.{table} CASCADE",
            "SELECT * FROM neighbour.secrets",
            "INSERT INTO neighbour.secrets VALUES ('x')",
            f"DELETE FROM {schema}.alembic_version",  # noqa: S608 - a name
            "SELECT rolpassword FROM pg_authid",
            "COPY (SELECT 1) TO PROGRAM 'id'",
            f"SET ROLE {schema}_owner",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused.encode())
