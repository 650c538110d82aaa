import logging
import threading
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.runtime.migration import MigrationContext

from chassis.migrations import runner

TABLES = sa.MetaData(schema="things")
FIRST = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0001", None, None, None

def upgrade():
    op.create_table("things", sa.Column("id", sa.Integer, primary_key=True), schema="things")

def downgrade():
    op.drop_table("things", schema="things")
"""
SECOND = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None

def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("things_idx", "things", ["id"], schema="things", postgresql_concurrently=True)

def downgrade():
    op.drop_index("things_idx", "things", schema="things")
"""


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.py").write_text(FIRST)
    (tmp_path / "0002_second.py").write_text(SECOND)
    return tmp_path


@pytest.fixture
def url(fresh_url: str) -> str:
    with psycopg.connect(fresh_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA things")
    return fresh_url


def revision(url: str) -> str | None:
    owner = runner.engine(url)
    with owner.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": "things"})
        found = context.get_current_revision()
    owner.dispose()
    return found


def test_a_schema_goes_to_the_head_to_a_revision_and_back(url: str, versions: Path) -> None:
    runner.upgrade(url, versions, TABLES, "0001")
    assert revision(url) == "0001"
    runner.upgrade(url, versions, TABLES)
    runner.upgrade(url, versions, TABLES)
    assert revision(url) == "0002"
    runner.downgrade(url, versions, TABLES, "base")
    assert revision(url) is None


def test_a_migration_that_waits_for_its_turn_does_not_hold_up_an_index_that_is_built_concurrently(
    url: str, versions: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """CREATE INDEX CONCURRENTLY waits for all transactions before it; a waiter inside one would deadlock with it."""
    caplog.set_level(logging.INFO)
    runner.upgrade(url, versions, TABLES, "0001")
    first = runner.engine(url)
    with first.connect() as connection:
        runner._wait_for_turn(connection, "things")
        waiter = threading.Thread(target=runner.upgrade, args=(url, versions, TABLES), daemon=True)
        waiter.start()
        while "waiting for its end" not in caplog.text:
            waiter.join(0.01)
            assert waiter.is_alive()
        connection.execute(sa.text("SET lock_timeout = '10s'"))
        connection.commit()
        command.upgrade(runner.config(versions, TABLES, connection), "head")
        connection.commit()
    waiter.join()
    first.dispose()
    assert revision(url) == "0002"


def test_a_table_that_is_held_makes_the_migration_fail_instead_of_all_queries_wait(
    url: str, versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LOCK_TIMEOUT", "50ms")
    runner.upgrade(url, versions, TABLES, "0001")
    with psycopg.connect(url) as holder:
        holder.execute("LOCK TABLE things.things IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            runner.upgrade(url, versions, TABLES)
    assert revision(url) == "0001"


def test_the_sql_of_all_migrations_can_be_printed(versions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner.script(versions, TABLES)
    printed = capsys.readouterr().out
    assert "CREATE TABLE things.things" in printed
    assert "CREATE INDEX CONCURRENTLY things_idx" in printed


def test_what_a_schema_lacks_is_told(url: str, versions: Path) -> None:
    assert runner.behind(url, versions, TABLES) == "schema things is at None, not at 0002"
    runner.upgrade(url, versions, TABLES, "0001")
    assert runner.behind(url, versions, TABLES) == "schema things is at 0001, not at 0002"
    runner.upgrade(url, versions, TABLES)
    assert runner.behind(url, versions, TABLES) == ""


def test_the_run_time_role_reads_the_revision_and_writes_it_not(url: str, versions: Path, postgresql: object) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS things")
        admin.execute("CREATE ROLE things")
        admin.execute(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA things GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO things"
        )
        runner.upgrade(url, versions, TABLES)
        may = "SELECT has_table_privilege('things', %s, %s)"
        assert admin.execute(may, ["things.things", "DELETE"]).fetchone() == (True,)
        assert admin.execute(may, ["things.alembic_version", "SELECT"]).fetchone() == (True,)
        assert admin.execute(may, ["things.alembic_version", "INSERT, UPDATE, DELETE"]).fetchone() == (False,)
        admin.execute("DROP OWNED BY things")
        admin.execute("DROP ROLE things")
