import os
import secrets
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from chassis.embedded.place import installed_programs
from chassis.embedded.postgresql import FORGETFUL, PostgreSQL, create_database, create_service, url_of
from chassis.embedded.process import EmbeddedError

ROOT = os.geteuid() == 0
SERVER_USER = 65534 if ROOT else os.geteuid()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    with PostgreSQL(tmp_path_factory.mktemp("postgresql"), settings=FORGETFUL) as running:
        yield running


@pytest.fixture(scope="module")
def url(server: PostgreSQL) -> str:
    """The database of two services, each of which has one table."""
    url = create_database(server.admin_url, "neoforge")
    for service in ("projects", "support"):
        create_service(url, service, f"{service}-password", f"{service}-owner-password")
        execute(role(url, f"{service}_owner"), "CREATE TABLE things (id bigserial PRIMARY KEY, name text)")
    return url


def role(url: str, name: str) -> str:
    return url_of(url, user=name, password=f"{name.replace('_', '-')}-password")


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_it_is_postgresql_16_in_utf8_on_loopback_with_a_password_of_its_own(server: PostgreSQL) -> None:
    settings = "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding')"
    assert execute(server.admin_url, settings) == [(16, "UTF8")]
    assert execute(server.admin_url, "SHOW listen_addresses") == [("127.0.0.1",)]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url_of(server.admin_url, password="another"))


def test_letters_beyond_ascii_have_an_upper_case(server: PostgreSQL) -> None:
    assert execute(server.admin_url, "SELECT upper('größe'), 'ÄRGER' ILIKE 'ärger'") == [("GRÖßE", True)]


def test_the_superusers_password_is_for_its_owner_alone(server: PostgreSQL) -> None:
    assert stat.S_IMODE((server.data / "superuser-password").stat().st_mode) == 0o600


def test_a_service_reads_and_writes_the_rows_of_its_own_schema(url: str) -> None:
    projects = role(url, "projects")
    execute(projects, "INSERT INTO things (name) VALUES ('a')")
    execute(projects, "UPDATE things SET name = 'b'")
    assert execute(projects, "SELECT name FROM projects.things") == [("b",)]
    execute(projects, "DELETE FROM things")
    assert execute(projects, "SELECT count(*) FROM things") == [(0,)]


@pytest.mark.parametrize("name", ["projects", "projects_owner"])
@pytest.mark.parametrize(
    "statement", ["SELECT * FROM support.things", "INSERT INTO support.things (name) VALUES ('x')"]
)
def test_a_service_has_no_way_into_another_schema(url: str, name: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for schema support"):
        execute(role(url, name), statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (id int)",
        "CREATE TEMPORARY TABLE more (id int)",
        "CREATE TABLE public.more (id int)",
        "CREATE SCHEMA more",
        "CREATE DATABASE more",
        "CREATE ROLE more",
        "DROP TABLE things",
        "ALTER TABLE things ADD COLUMN more int",
        "TRUNCATE things",
        "SET ROLE projects_owner",
        "COPY things TO PROGRAM 'cat'",
        "SELECT pg_read_file('PG_VERSION')",
    ],
)
def test_a_service_at_run_time_may_create_or_take_nothing(url: str, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue)):
        execute(role(url, "projects"), statement)


def test_public_has_nothing_in_the_database(url: str) -> None:
    execute(url, "CREATE ROLE stranger LOGIN PASSWORD 'stranger-password'")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(role(url, "stranger"))


def test_roles_can_be_made_again_and_take_the_new_password(url: str) -> None:
    create_service(url, "support", "changed", "changed-too")
    assert execute(url_of(url, user="support", password="changed"), "SELECT count(*) FROM things") == [(0,)]
    create_service(url, "support", "support-password", "support-owner-password")


def test_a_password_may_hold_any_character(url: str) -> None:
    password = "o'; DROP ROLE projects; -- \\ \" :x %s ü"
    create_service(url, "status", password, password)
    assert execute(url_of(url, user="status", password=password), "SELECT current_user") == [("status",)]


def test_no_list_of_processes_shows_a_password(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    run = subprocess.run

    def watched(arguments: list[str], **options: object) -> object:
        seen.extend(map(str, arguments))
        return run(arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", watched)
    secret = secrets.token_hex(8)
    create_service(url, "community", secret, secret)
    PostgreSQL(tmp_path, settings=FORGETFUL).prepare()
    assert any("initdb" in word for word in seen)
    assert not any(secret in word or (tmp_path / "superuser-password").read_text() in word for word in seen)


def test_data_outlive_a_stop(tmp_path: Path) -> None:
    with PostgreSQL(tmp_path, settings=FORGETFUL) as first:
        execute(first.admin_url, "CREATE TABLE kept AS SELECT 1 AS one")
    with PostgreSQL(tmp_path, settings=FORGETFUL) as second:
        assert execute(second.admin_url, "SELECT one FROM kept") == [(1,)]


def test_an_unfinished_cluster_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "cluster.unfinished" / "base").mkdir(parents=True)
    (tmp_path / "cluster.unfinished" / "PG_VERSION").write_text("16\n")
    with PostgreSQL(tmp_path, settings=FORGETFUL) as server:
        assert execute(server.admin_url, "SELECT 1") == [(1,)]


def test_a_cluster_of_another_version_is_named(tmp_path: Path) -> None:
    server = PostgreSQL(tmp_path, settings=FORGETFUL)
    server.prepare()
    (server.place.cluster / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedError, match=r"cluster was made by PostgreSQL 14, and this is 16"):
        PostgreSQL(tmp_path).start()


def test_a_damaged_cluster_is_named_with_what_is_missing(tmp_path: Path) -> None:
    server = PostgreSQL(tmp_path, settings=FORGETFUL)
    server.prepare()
    (server.place.cluster / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedError, match=r"cluster is damaged.*pg_control"):
        PostgreSQL(tmp_path).start()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"(?s)PostgreSQL ended with status 1 .*postgresql\.log.*shared_buffers"):
        PostgreSQL(tmp_path, settings=FORGETFUL | {"shared_buffers": "many"}).start()


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedError, match=r"data folder .*/file/data cannot be used"):
        PostgreSQL(tmp_path / "file" / "data").prepare()


def test_a_server_that_still_runs_on_the_data_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PostgreSQL(tmp_path, settings=FORGETFUL) as running:
        lock = running.place.cluster / "postmaster.pid"
        another = PostgreSQL(tmp_path)
        monkeypatch.setattr("chassis.embedded.postgresql.LEFTOVER_SECONDS", 0)
        with pytest.raises(EmbeddedError, match=f"process {lock.read_text().split()[0]}"):
            another.prepare()


def test_a_lock_that_a_crash_left_is_no_hindrance_even_if_its_number_is_in_use_again(tmp_path: Path) -> None:
    server = PostgreSQL(tmp_path, settings=FORGETFUL)
    server.prepare()
    (server.place.cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{server.place.cluster}\n")
    with PostgreSQL(tmp_path, settings=FORGETFUL) as started:
        assert execute(started.admin_url, "SELECT 1") == [(1,)]


def test_the_server_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from chassis.embedded.postgresql import *\n"
        "server = PostgreSQL(Path(sys.argv[1]), settings=FORGETFUL).start()\n"
        "print((server.place.cluster / 'postmaster.pid').read_text().split()[0], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        postmaster = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        assert ended(postmaster)
    with PostgreSQL(tmp_path, settings=FORGETFUL) as again:
        assert execute(again.admin_url, "SELECT 1") == [(1,)]


def ended(process: int) -> bool:
    """Whether the process behind this descriptor ends within ten seconds."""
    try:
        return bool(select.select([process], [], [], 10)[0])
    finally:
        os.close(process)


def test_an_unprivileged_user_runs_it_even_below_a_folder_that_others_may_not_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed to others"
    closed.mkdir(mode=0o700)
    with PostgreSQL(closed / "data", settings=FORGETFUL) as server:
        assert server.place.cluster == closed / "data" / "cluster"
        assert server.place.cluster.stat().st_uid == SERVER_USER
        postmaster = (server.place.cluster / "postmaster.pid").read_text().split()[0]
        assert Path(f"/proc/{postmaster}").stat().st_uid == SERVER_USER
        assert execute(server.admin_url, "SELECT 1") == [(1,)]


def test_a_root_that_may_pass_on_no_capability_keeps_the_data_elsewhere_and_says_so(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    script = (
        "import sys, shutil; from pathlib import Path; from chassis.embedded.postgresql import *\n"
        "server = PostgreSQL(Path(sys.argv[1]), settings=FORGETFUL)\n"
        "with server: print(server.place.remark, server.ready())\n"
        "shutil.rmtree(server.place.cluster.parent)"
    )
    weaker = ["setpriv", "--bounding-set=-setpcap", "--"] if ROOT else []
    done = subprocess.run([*weaker, sys.executable, "-c", script, closed], capture_output=True, text=True, check=True)
    # An ordinary user has no need of it: the server runs as that user.
    assert ("its data lie in /var/tmp/neoforge-postgresql-" in done.stdout) is ROOT
    assert done.stdout.strip().endswith("True")


def test_a_missing_wheel_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.embedded.place.find_spec", lambda _: None)
    with pytest.raises(EmbeddedError, match=r"PostgreSQL is missing.*make setup"):
        installed_programs()
