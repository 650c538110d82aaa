"""`make up` itself. What fails, fails before an application is started; one test goes the whole way."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from chassis.embedded.ports import free_ports
from devstack import up as starting
from devstack.folders import Folders
from devstack.ports import SPAN, Ports
from devstack.up import up

READY = "Ctrl-C stops everything"
MEMORY_PROMISE_MB = 1000


def environment(data: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NEOFORGE_", "OTEL_"))}
    # What some machines set, and must not lead the stack away from itself.
    elsewhere = {"http_proxy": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1", "PGSSLMODE": "verify-full"}
    return kept | elsewhere | {"NEOFORGE_DATA": str(data)}


def stopped(capsys: pytest.CaptureFixture[str], data: Path, base: int) -> str:
    """The message with which a start that must fail gives up."""
    assert up(Folders(data), Ports(base), environment(data)) == 1
    return capsys.readouterr().err


def test_a_taken_port_names_its_part_its_holder_and_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "PORT_GRACE_SECONDS", 0)
    base = free_ports(SPAN)
    with socket.create_server(("127.0.0.1", base + 3)):
        message = stopped(capsys, tmp_path, base)
    assert f"{base + 3} for PostgreSQL: process {os.getpid()} (" in message
    assert "make up PORT=" in message
    assert not (tmp_path / "postgresql").exists()


def test_a_data_folder_that_cannot_be_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert f"The data folder {tmp_path}/file/data cannot be used" in stopped(capsys, tmp_path / "file" / "data", 23_000)


def test_a_second_stack_on_the_same_data_is_told_of_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = Folders(tmp_path)
    folders.make()
    with folders.held():
        assert f"A stack runs on {tmp_path} already (process {os.getpid()})" in stopped(capsys, tmp_path, 23_000)


def test_data_of_another_postgresql_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = tmp_path / "postgresql" / "cluster"
    (cluster / "global").mkdir(parents=True)
    (cluster / "global" / "pg_control").touch()
    (cluster / "PG_VERSION").write_text("15\n")
    assert f"{cluster} was made by PostgreSQL 15, and this is 16" in stopped(capsys, tmp_path, free_ports(SPAN))


def test_a_missing_redis_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.embedded.redis.shutil.which", lambda _: None)
    monkeypatch.setattr("chassis.embedded.redis.sys.prefix", str(tmp_path))
    assert "Install one (Debian: apt install redis-server)" in stopped(capsys, tmp_path, free_ports(SPAN))


def test_a_damaged_redis_file_names_the_part_and_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "appendonly.aof").write_text("nonsense")
    # Redis 7 looks for its file in a folder, Valkey too.
    (tmp_path / "redis" / "appendonlydir").mkdir()
    (tmp_path / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense")
    message = stopped(capsys, tmp_path, free_ports(SPAN))
    assert "Redis ended with status 1 while starting." in message
    assert f"Its log is {tmp_path}/logs/redis.log, and ends:" in message


@contextmanager
def stack(data: Path, base: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A stack that says it is ready, and what it printed until then."""
    command = [sys.executable, "-m", "devstack", "up", "--port", str(base)]
    process = subprocess.Popen(
        command, env=environment(data), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    assert process.stdout is not None
    printed = ""
    try:
        while READY not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        yield process, printed
    finally:
        process.kill()
        process.communicate()


def test_the_whole_way(tmp_path: Path) -> None:
    """Start; lose a service; be killed, and leave nothing; start again with the data kept; stop, and leave nothing."""
    base = free_ports(SPAN)
    url = f"http://localhost:{base}"
    with stack(tmp_path, base) as (process, printed):
        for address in (
            f"{url}/api/v1/projects",
            f"{url}/docs",
            f"{url}/openapi.json",
            f"{url}/metrics",
            f"{url}/ready",
            f"http://localhost:{base + 8}/",
        ):
            assert address in printed
        assert " answers " not in printed
        line = re.search(r"^curl .*$", printed, re.MULTILINE)
        assert line is not None
        tried = subprocess.run(["/bin/sh", "-c", line[0].replace("curl", "curl -s")], capture_output=True, check=True)
        assert b'"night-train"' in tried.stdout

        assert_shown(base, httpx.get(f"{url}/api/v1/projects").headers["X-Trace-Id"])

        smoke = subprocess.run(
            [sys.executable, "-m", "devstack", "smoke", url],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert smoke.returncode == 0, smoke.stdout + smoke.stderr
        personal = token_of(tmp_path, base, "personal-token")
        assert personal in line[0]
        projects = projects_of(base, token_of(tmp_path, base, "token"))
        assert projects_of(base, personal) == projects
        # At rest: what starting used goes back a few seconds after it.
        deadline = time.monotonic() + 30
        while (memory := memory_of(process.pid)) >= MEMORY_PROMISE_MB:
            assert time.monotonic() < deadline, f"{memory} MB"
            time.sleep(0.5)

        children = descriptors(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        assert_ended(children)

    with stack(tmp_path, base) as (process, _):
        assert projects_of(base, personal) == projects
        children = descriptors(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert_ended(children)


def assert_shown(base: int, trace_id: str) -> None:
    """The trace page shows the trace of an answer, from Envoy's span on."""
    deadline = time.monotonic() + 30
    page = f"http://localhost:{base + 8}/traces/{trace_id}"
    while not (">envoy</b> GET" in (shown := httpx.get(page).text) and "GET /api/v1/projects" in shown):
        assert time.monotonic() < deadline, shown
        time.sleep(0.2)


def token_of(data: Path, base: int, verb: str) -> str:
    command = [sys.executable, "-m", "devstack", verb, "--port", str(base), "ines"]
    done = subprocess.run(command, env=environment(data), capture_output=True, text=True, check=True)
    return done.stdout.strip()


def projects_of(base: int, token: str) -> list[str]:
    answer = httpx.get(f"http://localhost:{base}/api/v1/projects", headers={"Authorization": f"Bearer {token}"})
    return sorted(project["id"] for project in answer.json()["items"])


def memory_of(pid: int) -> float:
    """The memory of a process and all below it, in MB."""
    return sum(kilobytes_of(one) for one in (pid, *descendants(pid))) / 1000


def kilobytes_of(pid: int) -> int:
    """What several processes share counts once (Pss), but in full where another user's shares are hidden (VmRSS)."""
    try:
        return value(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss")
    except PermissionError:
        return value(Path(f"/proc/{pid}/status").read_text(), "VmRSS")
    except (FileNotFoundError, ProcessLookupError):  # PostgreSQL has some that come and go
        return 0


def value(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found[1])


def descriptors(pid: int) -> Mapping[str, int]:
    """A descriptor of every process below this one, by its command."""
    found = descendants(pid)
    assert len(found) > 5
    opened = {}
    for child in found:
        with suppress(FileNotFoundError, ProcessLookupError):  # PostgreSQL has some that come and go
            opened[f"{child} {Path(f'/proc/{child}/cmdline').read_bytes()!r}"] = os.pidfd_open(child)
    return opened


def descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [pid]
    for ancestor in found:
        found += [child for child, parent in parents.items() if parent == ancestor]
    return found[1:]


def assert_ended(processes: Mapping[str, int]) -> None:
    for command, process in processes.items():
        assert select.select([process], [], [], 20)[0], command
        os.close(process)
