import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from chassis.ops import OpsServer

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
