"""A real process: how it starts, drains and refuses."""

import asyncio
import signal
import socket
import struct
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from chassis.cancelling import EX_SOFTWARE
from chassis.command_line import main, serve
from chassis.errors import RemoteError
from chassis.health import Health
from chassis.rpc import client
from chassis.service import RunningService, Service
from chassis.settings import EX_CONFIG
from chassis.testing.acting import Actor, Rows
from chassis.testing.process import ServiceProcess
from chassis.testing.specimen import Specimen
from chassis.testing.waiting import until


async def test_on_sigterm_a_running_call_ends_with_its_reply_and_new_ones_are_refused(
    start_process: Callable[..., ServiceProcess],
    connect: Callable[..., Actor],
    specimen: Specimen,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "_RESTART_S", 0.0)  # the late one is told at once that nobody is there
    patient = {f"NEOFORGE_DATABASE_{limit}_TIMEOUT_MS": "60000" for limit in ("LOCK", "STATEMENT")}
    process = start_process(**patient).serving()
    act, late = connect(process.port), connect(process.port)
    async with await rows.hold_inserts():
        running = asyncio.create_task(act.made(1, key="key"))
        await until(rows.waiting)
        process.send(signal.SIGTERM)

        async def refuses() -> bool:
            try:
                await late(specimen.listing(1, ""))
            except RemoteError as refused:
                return refused.code is grpc.StatusCode.UNAVAILABLE
            return False

        await until(refuses)
        assert not running.done()
    assert (await running).id
    assert process.ended() == 0
    assert [line["message"].split()[-1] for line in process.logged][-1] == "stopped"
    assert await rows.count() == 1


async def test_a_process_of_which_a_part_fails_ends_and_says_so_by_its_status(
    service: Service[Any], settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(_: Health) -> None:
        raise ZeroDivisionError("by a clock that stood still")

    monkeypatch.setattr(Health, "watch", fails)
    assert await asyncio.wait_for(serve(service, settings), 60) == EX_SOFTWARE
    assert "a part of this process has failed" in caplog.text


async def test_a_second_process_on_the_same_port_says_so_in_one_line_and_ends(
    start_process: Callable[..., ServiceProcess], running: RunningService[Any]
) -> None:
    second = start_process(NEOFORGE_LISTEN=f"127.0.0.1:{running.port}")
    line = second.wait_for("cannot start")
    assert (line["level"], str(running.port) in line["message"]) == ("critical", True)
    assert second.ended() == 1
    assert second.plain == []


async def test_a_second_server_on_the_same_operators_port_says_so_and_leaves_nothing_open(
    service: Service[Any], settings: Any, running: RunningService[Any]
) -> None:
    taken = f"127.0.0.1:{running.ops_port}"
    second = RunningService(service, settings.model_copy(update={"ops_listen": taken}))
    with pytest.raises(OSError, match=f"cannot listen on {taken}"):
        await second.start()
    assert second.database._pool.closed


async def test_a_process_with_bad_settings_names_them_all_in_one_line_and_ends_with_78(
    service: Service[Any], start_process: Callable[..., ServiceProcess], tmp_path: Path
) -> None:
    process = start_process(
        NEOFORGE_LISTEN="nowhere",
        NEOFORGE_CURSOR_SECRET="hunter2",
        NEOFORGE_ENVIRONMENT="moon",
        NEOFORGE_TLS_KEY="",
        NEOFORGE_ATTACHMENTS_FOLDER=str(tmp_path),  # "moon" counts as production, where that must be set
    )
    assert process.ended() == EX_CONFIG, process.plain
    assert process.plain == []
    (line,) = process.logged
    assert line["service"] == service.name
    said = line["message"]
    assert "4 bad setting(s)" in said
    for name in ("NEOFORGE_LISTEN", "NEOFORGE_CURSOR_SECRET", "NEOFORGE_ENVIRONMENT", "NEOFORGE_TLS_KEY"):
        assert name in said
    assert "hunter2" not in said


async def test_every_line_of_a_process_is_json_whoever_comes_to_its_ports(
    start_process: Callable[..., ServiceProcess],
) -> None:
    process = start_process().serving()

    def strangers() -> None:
        for port, said in (
            (process.ops_port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
            (process.ops_port, b"\x16\x03\x01\x00\x05hello\r\n\r\n"),
            (process.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            (process.port, b"\x16\x03\x01\x00\x05hello"),
        ):
            for linger_s in (0, 5):
                with socket.create_connection(("127.0.0.1", port)) as stranger:
                    stranger.settimeout(60)
                    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, linger_s))
                    stranger.sendall(said)
                    if linger_s:
                        stranger.shutdown(socket.SHUT_WR)
                        while stranger.recv(65_536):
                            pass

    await asyncio.to_thread(strangers)
    process.send(signal.SIGTERM)
    assert process.ended() == 0
    assert process.plain == []
    assert not any("Traceback" in line.get("exception", "") for line in process.logged)


async def test_the_operators_port_tells_metrics_that_the_process_lives_and_that_it_is_ready(
    running: RunningService[Any], act: Actor, specimen: Specimen
) -> None:
    await act.made()

    def page(name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{running.ops_port}/{name}?at=all") as answer:
            return str(answer.read().decode())

    metrics = await asyncio.to_thread(page, "metrics")
    assert (
        f'rpc_server_duration_seconds_count{{code="OK",method="{act.client.path(specimen.create(1)[0])}"}}' in metrics
    )
    assert 'dependency_up{dependency="database"} 1.0' in metrics
    assert await asyncio.to_thread(page, "health") == '{"status":"alive"}'
    assert await asyncio.to_thread(page, "ready") == '{"status": "ready", "database": "ok"}'


@pytest.mark.parametrize("arguments", [[], ["fly"], ["serve", "--port=1"]])
def test_a_verb_that_there_is_not_is_a_usage_error(
    specimen: Specimen, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(specimen.service, arguments)
    assert ended.value.code == 2
    assert "usage: " in capsys.readouterr().err
