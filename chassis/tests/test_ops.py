import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from chassis.ops import OpsServer

PARTS = {"database": True, "redis": True}


@pytest.fixture(params=["127.0.0.1", "[::1]"])
def server(request: pytest.FixtureRequest) -> Iterator[OpsServer]:
    made = OpsServer(f"{request.param}:0", lambda: dict(PARTS))
    made.start()
    made.host = request.param  # type: ignore[attr-defined] # for the tests
    yield made
    made.stop()


def page(server: OpsServer, path: str, accept: str = "*/*") -> tuple[int, str]:
    address = f"http://{server.host}:{server.port}{path}"  # type: ignore[attr-defined] # as above
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept": accept})) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_ready_names_what_is_down(server: OpsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert page(server, "/ready") == (200, '{"status": "ready", "database": "ok", "redis": "ok"}')
    monkeypatch.setitem(PARTS, "redis", value=False)
    code, body = page(server, "/ready?verbose")
    assert (code, json.loads(body)) == (503, {"status": "not ready", "database": "ok", "redis": "down"})


def test_health_metrics_and_nothing_else(server: OpsServer) -> None:
    assert page(server, "/health") == (200, '{"status":"alive"}')
    code, metrics = page(server, "/metrics")
    assert code == 200
    assert "# TYPE python_info gauge" in metrics
    assert page(server, "/metrics", "application/openmetrics-text")[1].endswith("# EOF\n")
    assert page(server, "/")[0] == page(server, "/metrics/more")[0] == 404


def test_a_taken_address_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}"):
            OpsServer(address, dict)
