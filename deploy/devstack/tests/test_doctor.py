import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from devstack import doctor, ports
from devstack.folders import CHECKOUT, Folders
from devstack.services import SERVICES, installed
from devstack.stack import Stack


def diagnose(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = doctor.main()
    return status, capsys.readouterr().out


@contextmanager
def running(words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has begun; its input ends with the block, and it with that."""
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> int:
    """A base port whose ports are taken to be free."""
    monkeypatch.setenv("NEOFORGE_PORT", "23000")
    monkeypatch.setattr(ports, "is_free", lambda _: True)
    return 23_000


def test_a_machine_that_has_everything_lacks_nothing(base: int, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = diagnose(capsys)
    assert (status, said.splitlines()[-1]) == (0, "Nothing is lacking.")


def test_it_needs_nothing_but_a_bare_python() -> None:
    script = CHECKOUT / "deploy" / "devstack" / "src" / "devstack" / "doctor.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", script], capture_output=True, text=True, check=False, env={"PATH": os.defpath}
    )
    assert done.stderr == ""
    assert "Python 3" in done.stdout


def test_an_old_python_is_told_so(
    base: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    monkeypatch.setattr("platform.python_version", lambda: "3.9.2")
    status, said = diagnose(capsys)
    assert status == 1
    assert "LACKING  Python 3.9.2 is too old: 3.11 or newer is needed." in said
    assert said.splitlines()[-1] == "1 lacking, see above."


def test_what_a_machine_lacks_is_a_line_each_with_what_to_do(
    base: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "CHECKOUT", tmp_path)
    monkeypatch.setattr(doctor, "PATH_BYTES", 3)
    monkeypatch.setattr(doctor, "find_spec", lambda _: None)
    monkeypatch.setattr(doctor, "_available_memory", lambda: 0.25)
    monkeypatch.setattr(ports, "is_free", lambda port: port != base + 3)
    monkeypatch.setattr(ports, "holder", lambda _: "process 7 (postgres)")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**8))
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.17")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    status, said = diagnose(capsys)
    assert status == 1
    for lack in (
        "cannot make virtual environments (module venv or ensurepip). Debian: apt install python3-venv",
        "This is linux on aarch64",
        "The C library is glibc 2.17; glibc 2.28 or newer is needed.",
        "0.1 GB of disk are free",
        "0.2 GB of memory are available; 1 GB is needed.",
        f"{tmp_path} is not writable for this user. Give it to this user.",
        "name another with NEOFORGE_DATA=/some/folder",
        "scripts in .venv stop working above 3",
        "make is missing. Debian: apt install make",
        "No valkey-server or redis-server",
        f"{base + 3} for PostgreSQL: process 7 (postgres)",
        "Choose another base port: make up PORT=9080",
    ):
        assert lack in said


def test_a_c_library_without_a_name_is_no_glibc(
    base: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: str) -> str:
        raise ValueError

    monkeypatch.setattr(os, "confstr", refuse)
    assert "The C library is another; glibc 2.28 or newer is needed." in diagnose(capsys)[1]


def test_the_ports_it_looks_at_are_those_that_the_stack_takes(tmp_path: Path) -> None:
    stack = Stack.of(Folders(tmp_path), ports.Ports(9000), {})
    assert installed() == SERVICES
    assert ports.Ports(9000).by_part({service.name: service.offset for service in SERVICES}) == stack.taken_ports()


@pytest.mark.parametrize(
    ("told", "lack"), [("abc", "The base port 'abc' is no number."), ("70000", "The port 70000 does not serve")]
)
def test_a_base_port_that_is_none_is_told_so(
    told: str, lack: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEOFORGE_PORT", told)
    status, said = diagnose(capsys)
    assert status == 1
    assert f"LACKING  {lack}" in said


@pytest.mark.parametrize("base_port", [23_000, 24_000])
def test_the_stack_of_this_checkout_may_hold_its_own_ports_but_no_others(
    base_port: int, base: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [
        sys.executable,
        "-c",
        "import sys; print(flush=True); sys.stdin.read()",
        "devstack",
        "up",
        "--port",
        str(base_port),
    ]
    monkeypatch.setenv("NEOFORGE_DATA", str(tmp_path))
    monkeypatch.setattr(ports, "is_free", lambda _: False)
    with running(words) as stack:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "lock").write_text(f"{stack.pid}\n")
        said = diagnose(capsys)[1]
    own = f"ports from {base}: this checkout's own stack runs on them (process {stack.pid})"
    assert (own in said) == (base_port == base)
    assert (f"{base} for Envoy" in said) == (base_port != base)
