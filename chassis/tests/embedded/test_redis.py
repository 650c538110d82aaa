import os
import select
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from chassis.embedded import redis as embedded
from chassis.embedded.process import EmbeddedError
from chassis.embedded.redis import Redis


def connected(server: Redis) -> "redis.Redis":
    return redis.Redis.from_url(server.url, decode_responses=True)


def test_it_answers_on_loopback_to_who_knows_the_password(tmp_path: Path) -> None:
    with Redis(tmp_path) as server, connected(server) as client:
        assert client.ping()
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        with redis.Redis(port=server.port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert stat.S_IMODE((tmp_path / "redis.conf").stat().st_mode) == 0o600


def test_a_durable_one_keeps_its_data_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a \"quoted\" 'name' \\ ü"
    with Redis(folder, durable=True) as server, connected(server) as client:
        client.set("kept", "1")
    with Redis(folder, durable=True) as server, connected(server) as client:
        assert client.get("kept") == "1"


def test_one_for_tests_writes_nothing(tmp_path: Path) -> None:
    with Redis(tmp_path) as server, connected(server) as client:
        client.set("lost", "1")
    with Redis(tmp_path) as server, connected(server) as client:
        assert client.get("lost") is None


def test_a_taken_port_shows_in_the_end_of_its_log(tmp_path: Path) -> None:
    with Redis(tmp_path / "first") as first:
        second = Redis(tmp_path / "second", first.port)
        with pytest.raises(EmbeddedError, match=r"(?s)Redis ended .*redis\.log.*already in use"):
            second.start()


def test_the_machines_own_server_comes_before_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded.installed_server() == own
    shutil.copy(own, tmp_path / "valkey-server")
    assert embedded.installed_server() == tmp_path / "valkey-server"


def test_without_any_server_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"^Redis is missing: [^\n]*apt install redis-server[^\n]*$"):
        embedded.installed_server()


def test_the_server_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from chassis.embedded.redis import Redis\n"
        "server = Redis(Path(sys.argv[1])).start(); print(server._process.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        server = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        assert ended(server)


def ended(process: int) -> bool:
    """Whether the process behind this descriptor ends within ten seconds."""
    try:
        return bool(select.select([process], [], [], 10)[0])
    finally:
        os.close(process)
