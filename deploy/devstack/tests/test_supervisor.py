import asyncio
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from chassis.embedded.process import Command
from chassis.testing.waiting import until
from devstack import supervisor as supervising
from devstack.errors import StackError
from devstack.folders import Folders
from devstack.supervisor import Part, Supervisor
from devstack.terminal import Terminal


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    folders = Folders(tmp_path)
    folders.make()
    return folders


@pytest.fixture
async def supervisor(folders: Folders) -> AsyncIterator[Supervisor]:
    running = Supervisor(folders, Terminal(), os.environ)
    yield running
    await running.stop()


def shell(script: str, *arguments: object) -> Command:
    return Command(
        ["/bin/sh", "-c", script, "sh", *map(str, arguments)], {"PATH": os.defpath}, death_signal=signal.SIGTERM
    )


def part(name: str, script: str, *arguments: object, ready: Callable[[], bool] = lambda: True, **options: int) -> Part:
    async def ask() -> bool:
        return ready()

    return Part(name, lambda: shell(script, *arguments), ask, **options)


async def test_a_part_counts_as_started_once_it_is_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    await supervisor.start(part("one", 'touch "$1"; exec sleep 60', sign, ready=sign.exists))
    assert sign.exists()


async def test_a_part_that_is_not_needed_stops_nothing_however_often_it_dies(
    supervisor: Supervisor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "FIRST_BACKOFF_SECONDS", 0.001)
    await supervisor.start(part("extra", "sleep 0.05; exit 3", needed=False))
    said = ""

    def given_up() -> bool:
        nonlocal said
        said += "".join(capsys.readouterr())
        return "The stack goes on without it" in said

    await until(given_up)
    assert "extra ended with status 3, the 5th time" in said
    assert not supervisor.failed.done()


async def test_a_part_that_dies_while_starting_is_named_with_its_log_and_its_last_lines(
    supervisor: Supervisor, folders: Folders
) -> None:
    dying = part("the one", "echo because of this; exit 3", ready=lambda: False)
    with pytest.raises(StackError) as raised:
        await supervisor.start(part("another", "exec sleep 60"), dying)
    message = str(raised.value)
    assert message.startswith("the one ended with status 3 while starting.")
    assert str(folders.logs / "the-one.log") in message
    assert "  because of this" in message


async def test_a_part_that_is_never_ready_is_named_with_its_log(supervisor: Supervisor) -> None:
    with pytest.raises(StackError, match=r"(?s)slow was not ready within 0 s\..*slow\.log"):
        await supervisor.start(part("slow", "exec sleep 60", ready=lambda: False, seconds=0))


async def test_a_missing_program_is_named(supervisor: Supervisor) -> None:
    async def ready() -> bool:
        return False

    missing = Part("gone", lambda: Command(["/no/such/program"], {}), ready)
    with pytest.raises(StackError, match=r"(?s)gone ended .*/no/such/program"):
        await supervisor.start(missing)


async def test_a_part_that_is_killed_starts_again_and_the_restart_is_shown(
    supervisor: Supervisor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pids = tmp_path / "pids"
    await supervisor.start(part("phoenix", 'echo $$ >> "$1"; exec sleep 60', pids, ready=pids.exists))
    os.kill(int(pids.read_text()), signal.SIGKILL)
    await until(lambda: len(pids.read_text().split()) == 2)
    printed = ""

    def shown() -> bool:
        nonlocal printed
        printed += capsys.readouterr().out
        return "phoenix is back after" in printed

    await until(shown)
    assert re.search(r"phoenix was ended by SIGKILL; starting it again\. Its log is .*phoenix\.log", printed)


async def test_what_a_killed_part_had_started_goes_with_it(supervisor: Supervisor, tmp_path: Path) -> None:
    child, parent = tmp_path / "child", tmp_path / "parent"
    script = 'sleep 60 & echo $! > "$1"; echo $$ > "$2"; wait'
    await supervisor.start(part("family", script, child, parent, ready=parent.exists))
    await until(lambda: parent.read_text().endswith("\n"))
    orphan = os.pidfd_open(int(child.read_text()))
    os.kill(int(parent.read_text()), signal.SIGKILL)
    await until(lambda: ended(orphan, 0))
    os.close(orphan)


async def test_a_part_that_keeps_dying_fails_the_stack_with_its_log(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "FIRST_BACKOFF_SECONDS", 0.001)
    gate = tmp_path / "gate"
    gate.touch()
    script = 'echo alive; while [ -e "$1" ]; do sleep 0.01; done; exit 7'
    await supervisor.start(part("mayfly", script, gate))
    gate.unlink()
    with pytest.raises(
        StackError, match=r"(?s)mayfly ended with status 7, the 5th time within 30 s\..*mayfly\.log.*alive"
    ):
        await asyncio.wait_for(supervisor.failed, 10)


async def test_parts_stop_layer_by_layer_from_the_top(folders: Folders, tmp_path: Path) -> None:
    order = tmp_path / "order"
    script = 'trap "echo $1 >> $2; exit 0" TERM; echo ready > "$2.$1"; while :; do sleep 0.02; done'
    running = Supervisor(folders, Terminal(), os.environ)
    for layer in (1, 0, 2):
        sign = tmp_path / f"order.{layer}"
        await running.start(part(f"layer {layer}", script, layer, order, ready=sign.exists, layer=layer))
    await running.stop()
    assert order.read_text().split() == ["2", "1", "0"]


async def test_a_part_that_does_not_stop_in_time_is_killed_and_named(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervising, "GRACE_SECONDS", 0.05)
    sign = tmp_path / "sign"
    running = Supervisor(folders, Terminal(), os.environ)
    script = 'trap "" TERM; touch "$1"; while :; do sleep 0.02; done'
    await running.start(part("stubborn", script, sign, ready=sign.exists))
    await running.stop()
    assert "stubborn did not stop within 0.05 s and is killed." in capsys.readouterr().out


async def test_a_step_that_fails_is_named_with_its_log(supervisor: Supervisor) -> None:
    with pytest.raises(StackError, match=r"(?s)migrations ended with status 4\..*migrations\.log.*no such column"):
        await supervisor.run("migrations", shell("echo no such column; exit 4"))


async def test_a_step_that_ends_well_lets_the_next_one_begin(supervisor: Supervisor) -> None:
    await supervisor.run("migrations", shell("exit 0"))


def test_a_killed_supervisor_leaves_nothing_running(tmp_path: Path) -> None:
    script = """
import asyncio, os, sys, signal
from pathlib import Path
from chassis.embedded.postgresql import FORGETFUL, PostgreSQL
from chassis.embedded.process import Command
from chassis.testing.waiting import until
from chassis.embedded.redis import Redis
from devstack.children import Module
from devstack.folders import Folders
from devstack.supervisor import Part, Supervisor
from devstack.terminal import Terminal

async def main():
    folders = Folders(Path(sys.argv[1])); folders.make()
    supervisor = Supervisor(folders, Terminal(), os.environ)
    postgresql, redis = PostgreSQL(folders.data / "postgresql", settings=FORGETFUL), Redis(folders.data / "redis")
    async def yes(): return True
    async def answers(): return postgresql.ready() and redis.ready()
    sleep = Command(["/bin/sleep", "600"], {}, death_signal=signal.SIGTERM)
    await supervisor.start(
        Part("PostgreSQL", postgresql.command, answers, postgresql.prepare),
        Part("Redis", redis.command, answers, redis.prepare),
        Part("application", lambda: sleep, yes),
        Part("module", lambda: Module("http.server", ["0"], os.environ), yes),
    )
    print("started", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        children = [os.pidfd_open(pid) for pid in descendants(parent.pid)]
        assert len(children) > 3  # PostgreSQL has some of its own
        parent.send_signal(signal.SIGKILL)
        for child in children:
            assert ended(child, 10)
            os.close(child)


def descendants(pid: int) -> list[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [pid]
    for ancestor in found:
        found += [child for child, parent in parents.items() if parent == ancestor]
    return found[1:]


def ended(process: int, seconds: float) -> bool:
    """Whether the process behind this descriptor ends within so many seconds."""
    return bool(select.select([process], [], [], seconds)[0])
