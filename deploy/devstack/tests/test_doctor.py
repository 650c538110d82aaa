import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from devstack import doctor
from devstack.folders import CHECKOUT
from devstack.ports import Ports


def diagnose(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = doctor.main()
    return status, capsys.readouterr().out


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> int:
    """A base port whose ports are taken to be free."""
    monkeypatch.setenv("NEOFORGE_PORT", "23000")
    monkeypatch.setattr(doctor, "_is_free", lambda _: True)
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
    monkeypatch.setattr(doctor, "_is_free", lambda port: port != base + 3)
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
        f"Taken: {base + 3} (perhaps by a stack that runs). Choose another base port",
    ):
        assert lack in said


def test_a_c_library_without_a_name_is_no_glibc(
    base: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: str) -> str:
        raise ValueError

    monkeypatch.setattr(os, "confstr", refuse)
    assert "The C library is another; glibc 2.28 or newer is needed." in diagnose(capsys)[1]


def test_a_taken_port_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not doctor._is_free(server.getsockname()[1])


def test_the_ports_it_looks_at_are_those_that_the_stack_takes() -> None:
    ports = Ports(9000)
    taken = {ports.edge, ports.gateway, ports.issuer, ports.postgresql, ports.redis, ports.envoy_admin}
    taken |= {ports.service(0), ports.service_operations(0)}
    assert {9000 + offset for offset in doctor.PORTS} == taken
