"""Modules that the nursery forks are processes as any other: to the system, to the supervisor, and to themselves."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chassis.embedded.process import last_lines
from chassis.testing.waiting import until
from devstack.children import Child, Module, Nursery
from devstack.folders import Folders
from devstack.supervisor import Part, Supervisor
from devstack.terminal import Terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

TELLING = """
import json, os, random, secrets, signal, ssl, sys, threading
import uuid_utils
print(json.dumps({
    "name": __name__, "main": sys.modules["__main__"].__dict__ is globals(), "argv": sys.argv[1:],
    "file": os.path.basename(sys.argv[0]), "environment": dict(os.environ), "parent": os.getppid(),
    "group": os.getpgid(0) == os.getpid(), "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "terminate": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
    "child": signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL,
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "threads": len(os.listdir("/proc/self/task")), "files": sorted(os.listdir("/proc/self/fd")),
    "ours": sorted(name for name in sys.modules if name.partition(".")[0] in {"projects", "gateway", "neoforge"}),
    "drawn": [random.random(), secrets.token_hex(), str(uuid_utils.uuid4()), str(uuid_utils.uuid7()),
              ssl.RAND_bytes(16).hex()],
}), flush=True)
"""
SLEEPING = "import signal; print('asleep', flush=True); signal.pause()"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the nursery finds modules."""
    return tmp_path_factory.mktemp("modules")


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def modules(folder: Path) -> Callable[..., Module]:
    """Modules of so many lines."""

    def module(name: str, content: str, *arguments: str, **environment: str) -> Module:
        (folder / f"{name}.py").write_text(content)
        return Module(name, arguments, environment)

    return module


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nursery(folder: Path, environment: dict[str, str]) -> AsyncIterator[Nursery]:
    running = Nursery(environment, folder / "nursery.log")
    yield running
    await running.stop()


async def told(nursery: Nursery, module: Module, log: Path) -> dict[str, Any]:
    """What a module that tells of itself has told."""
    log.unlink(missing_ok=True)  # noqa: ASYNC240 - nothing else waits here
    assert await (await nursery.fork(module, log)).wait() == 0, last_lines(log)
    found: dict[str, Any] = json.loads(log.read_bytes())  # noqa: ASYNC240
    return found


async def asleep(nursery: Nursery, module: Module, log: Path) -> Child:
    """A child that has begun to sleep."""
    child = await nursery.fork(module, log)
    await until(lambda: log.exists() and "asleep" in log.read_text())
    return child


async def test_a_module_runs_as_main_in_its_own_environment_and_in_a_clean_process(
    nursery: Nursery, modules: Callable[..., Module], tmp_path: Path
) -> None:
    found = await told(nursery, modules("telling", TELLING, "serve", "--all", COLOUR="blue"), tmp_path / "log")
    assert (found["name"], found["main"], found["file"]) == ("__main__", True, "telling.py")
    assert found["argv"] == ["serve", "--all"]
    assert {name: value for name, value in found["environment"].items() if name != "LC_CTYPE"} == {"COLOUR": "blue"}
    assert (found["parent"], found["group"]) == (os.getpid(), True)
    assert (found["blocked"], found["terminate"], found["child"], found["interrupt"]) == ([], True, True, True)
    assert (found["threads"], found["ours"]) == (1, [])
    assert {"0", "1", "2"} <= set(found["files"])


async def test_two_children_draw_different_numbers(
    nursery: Nursery, modules: Callable[..., Module], tmp_path: Path
) -> None:
    module = modules("telling", TELLING)
    one, other = [await told(nursery, module, tmp_path / "log") for _ in range(2)]
    assert not set(one["drawn"]) & set(other["drawn"])


async def test_a_child_is_found_by_the_command_line_that_would_have_started_it(
    nursery: Nursery, modules: Callable[..., Module], tmp_path: Path
) -> None:
    child = await asleep(nursery, modules("sleeping", SLEEPING, "serve"), tmp_path / "log")
    process = Path(f"/proc/{child.pid}")
    assert process.joinpath("cmdline").read_text().rstrip("\0") == f"{sys.executable} -m sleeping serve"
    assert process.joinpath("comm").read_text().strip() == Path(sys.executable).name[:15]
    child.send_signal(signal.SIGKILL)
    await child.wait()


async def test_an_exit_status_a_signal_and_an_exception_are_told_apart(
    nursery: Nursery, modules: Callable[..., Module], tmp_path: Path
) -> None:
    ended = await nursery.fork(modules("ending", "raise SystemExit(7)"), tmp_path / "log")
    assert await ended.wait() == ended.returncode == 7
    failed = await nursery.fork(modules("failing", "1 / 0"), tmp_path / "log")
    assert await failed.wait() == 1
    assert "ZeroDivisionError" in (tmp_path / "log").read_text()
    stopped = await asleep(nursery, modules("sleeping", SLEEPING), tmp_path / "other")
    assert stopped.returncode is None
    stopped.send_signal(signal.SIGTERM)
    assert await stopped.wait() == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        stopped.send_signal(signal.SIGTERM)


async def test_children_outlive_the_nursery_and_the_next_one_asked_for_starts_it_again(
    nursery: Nursery, modules: Callable[..., Module], tmp_path: Path
) -> None:
    module = modules("sleeping", SLEEPING)
    first = await asleep(nursery, module, tmp_path / "first")
    assert nursery._process is not None
    os.kill(nursery._process.pid, signal.SIGKILL)
    second = await asleep(nursery, module, tmp_path / "second")
    assert first.returncode is None
    assert first.pid != second.pid
    for child in (first, second):
        child.send_signal(signal.SIGKILL)
        assert await child.wait() == -signal.SIGKILL


async def test_who_stops_waiting_for_a_child_leaves_neither_it_nor_its_answer_to_the_next(
    nursery: Nursery, modules: Callable[..., Module], tmp_path: Path
) -> None:
    given_up = asyncio.ensure_future(nursery.fork(modules("sleeping", SLEEPING), tmp_path / "log"))
    await asyncio.sleep(0)
    given_up.cancel()
    ended = await nursery.fork(modules("ending", "raise SystemExit(7)"), tmp_path / "other")
    assert await ended.wait() == 7
    (forgotten,) = nursery._children
    await nursery.stop()  # the last test of this nursery
    assert forgotten.returncode == -signal.SIGKILL


async def test_a_killed_module_starts_again(
    modules: Callable[..., Module], environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = Folders(tmp_path)
    folders.make()
    log = folders.logs / "phoenix.log"

    async def ready() -> bool:
        return "asleep" in log.read_text()

    supervisor = Supervisor(folders, Terminal(), environment)
    module = modules("sleeping", f"import os; print(os.getpid(), flush=True); {SLEEPING}")
    await supervisor.start(Part("phoenix", lambda: module, ready))
    os.kill(int(log.read_text().split()[0]), signal.SIGKILL)
    await until(lambda: log.read_text().count("asleep") == 2)
    await supervisor.stop()
    assert "phoenix was ended by SIGKILL; starting it again." in capsys.readouterr().out
