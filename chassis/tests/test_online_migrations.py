import threading
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from chassis.migrations import runner
from chassis.testing.waiting import wait_for

TABLES = sa.MetaData(schema="things")
FIRST = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0001", None, None, None

def upgrade():
    op.create_table("things", sa.Column("id", sa.Integer), schema="things")
"""
SECOND = """
from chassis.migrations import online

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None

def upgrade():
    online.create_index("things_idx", "things", ["id"], schema="things", unique=True)
"""
STATE = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('things.things_idx')"


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runner, "LOCK_TIMEOUT", "50ms")
    (tmp_path / "0001_first.py").write_text(FIRST)
    (tmp_path / "0002_second.py").write_text(SECOND)
    return tmp_path


@pytest.fixture
def url(fresh_url: str, versions: Path) -> str:
    with psycopg.connect(fresh_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA things")
    runner.upgrade(fresh_url, versions, TABLES, "0001")
    return fresh_url


def test_an_index_waits_for_older_transactions_of_other_schemas_however_long_they_take(
    url: str, versions: Path
) -> None:
    with psycopg.connect(url) as other, psycopg.connect(url, autocommit=True) as watching:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM pg_class")
        building = threading.Thread(target=runner.upgrade, args=(url, versions, TABLES), daemon=True)
        building.start()
        waits = (
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE%INDEX CONCURRENTLY%' AND wait_event_type = 'Lock' "
            "AND now() - query_start > interval '200 ms'"
        )
        wait_for(lambda: watching.execute(waits).fetchone(), 60, what="the index to wait, longer than the limit")
        assert building.is_alive()
        other.rollback()
        building.join(60)
        assert watching.execute(STATE).fetchone() == (True,)


def test_what_an_interrupted_one_left_behind_is_built_anew(url: str, versions: Path) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("INSERT INTO things.things VALUES (1), (1)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            admin.execute("CREATE UNIQUE INDEX CONCURRENTLY things_idx ON things.things (id)")
        assert admin.execute(STATE).fetchone() == (False,)
        admin.execute("TRUNCATE things.things")
        runner.upgrade(url, versions, TABLES)
        assert admin.execute(STATE).fetchone() == (True,)


def test_what_comes_after_it_has_the_limit_again(url: str, versions: Path) -> None:
    (versions / "0003_third.py").write_text(
        "from alembic import op\n"
        'revision, down_revision, branch_labels, depends_on = "0003", "0002", None, None\n'
        "def upgrade():\n"
        "    op.execute(\"CREATE TABLE things.told AS SELECT current_setting('lock_timeout') AS told\")\n"
    )
    runner.upgrade(url, versions, TABLES)
    with psycopg.connect(url) as admin:
        assert admin.execute("SELECT told FROM things.told").fetchone() == ("50ms",)
