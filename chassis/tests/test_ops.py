import json
import logging
import socket
import struct
import threading
from collections.abc import Iterator

import httpx
import pytest

from chassis import metrics
from chassis.ops import OpsServer
from chassis.testing.waiting import wait_for

PARTS = {"database": True, "redis": True}


@pytest.fixture(params=["127.0.0.1", "[::1]"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a server of these parts answers."""
    server = OpsServer(f"{request.param}:0", lambda: dict(PARTS))
    server.start()
    yield f"http://{request.param}:{server.port}"
    server.stop()


def page(url: str, path: str, accept: str = "*/*") -> tuple[int, str]:
    answer = httpx.get(url + path, headers={"Accept": accept}, trust_env=False)
    return answer.status_code, answer.text


def test_ready_names_what_is_down(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert page(url, "/ready") == (200, '{"status": "ready", "database": "ok", "redis": "ok"}')
    monkeypatch.setitem(PARTS, "redis", value=False)
    code, body = page(url, "/ready?verbose")
    assert (code, json.loads(body)) == (503, {"status": "not ready", "database": "ok", "redis": "down"})


def test_health_metrics_and_nothing_else(url: str) -> None:
    assert page(url, "/health") == (200, '{"status":"alive"}')
    code, metrics = page(url, "/metrics")
    assert code == 200
    assert "# TYPE python_info gauge" in metrics
    assert page(url, "/metrics", "application/openmetrics-text")[1].endswith("# EOF\n")
    assert page(url, "/")[0] == page(url, "/metrics/more")[0] == 404


def test_a_taken_address_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}"):
            OpsServer(address, dict)


def test_a_client_that_goes_away_is_no_event_and_a_fault_is_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    parts: list[dict[str, bool]] = [{}]

    def exposition(accept: str) -> tuple[bytes, str]:
        begun.append(accept)
        return b"x" * 50_000_000, "text/plain"  # more than the buffers between two sockets take

    monkeypatch.setattr(metrics, "exposition", exposition)
    server = OpsServer("127.0.0.1:0", lambda: parts[0])
    server.start()
    with caplog.at_level(logging.INFO):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: begun, 60, what="an answer")
        client.close()  # resets the connection
        wait_for(nobody_is_answered, 60, what="the end of the answer")
        parts.clear()
        with pytest.raises(httpx.RemoteProtocolError):
            page(f"http://127.0.0.1:{server.port}", "/ready")
        wait_for(nobody_is_answered, 60, what="the end of the answer")
    server.stop()
    assert [(each.name, each.exc_info and each.exc_info[0]) for each in caplog.records if each.exc_info] == [
        ("chassis.ops", IndexError)
    ]
    assert capfd.readouterr().err == ""


def nobody_is_answered() -> bool:
    return not any("process_request_thread" in thread.name for thread in threading.enumerate())
