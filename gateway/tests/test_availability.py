"""What happens when parts die, hang or fail, and when clients go away."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2

from chassis.embedded.redis import Redis
from chassis.errors import Unavailable
from chassis.testing.waiting import wait_for
from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer
from gateway.testing.servicer import StandInProjects

PATH = "/api/v1/projects"
KEY = {"Idempotency-Key": '"k1"'}
INES = "018f0000-0000-7000-8000-000000000001"


def ready(client: httpx.Client) -> dict[str, str]:
    answer = client.get("/ready")
    states: dict[str, str] = answer.json()
    assert answer.status_code == (200 if states["status"] == "ready" else 503)
    return states


@pytest.fixture
def dead_service(edge: Edge, client: httpx.Client) -> Iterator[Edge]:
    wait_for(lambda: ready(client)["status"] == "ready")
    edge.run(edge.service.stop())
    yield edge
    edge.run(edge.service.start())
    wait_for(lambda: ready(client)["status"] == "ready")


def test_a_dead_service_is_503_with_retry_after_long_before_the_deadline(
    dead_service: Edge, ines: httpx.Client
) -> None:
    for method, body in (("GET", None), ("POST", {"name": "x"})):
        started = time.monotonic()
        answer = ines.request(method, PATH, json=body, headers=KEY)
        assert time.monotonic() - started < 2.5
        assert answer.status_code == 503
        assert answer.json()["type"].endswith("/problems/unavailable")
        assert int(answer.headers["Retry-After"]) >= 1


def test_ready_names_a_dead_service_and_its_database_within_a_second_and_a_half(
    dead_service: Edge, client: httpx.Client
) -> None:
    wait_for(lambda: ready(client)["projects"] == "down", 1.5)
    assert ready(client) == {
        "status": "not ready",
        "projects": "down",
        "community": "down",
        "database": "down",
        "redis": "ok",
        "issuer": "ok",
    }
    assert client.get("/health").json() == {"status": "alive"}


def test_a_revived_service_is_used_again_by_itself(edge: Edge, ines: httpx.Client, client: httpx.Client) -> None:
    edge.run(edge.service.stop())
    assert ines.get(PATH).status_code == 503
    edge.run(edge.service.start())
    wait_for(lambda: ines.get(PATH).status_code == 200)
    wait_for(lambda: ready(client)["status"] == "ready")


def test_ready_tells_a_service_without_its_database(edge: Edge, client: httpx.Client) -> None:
    wait_for(lambda: ready(client)["status"] == "ready")
    serving, down = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    edge.run(edge.service.health.set("database", down))
    wait_for(lambda: ready(client)["database"] == "down")
    assert ready(client)["projects"] == "ok"
    edge.run(edge.service.health.set("database", serving))
    wait_for(lambda: ready(client)["status"] == "ready")


def test_reads_and_keyed_writes_are_tried_once_more_and_others_are_not(
    ines: httpx.Client, projects: StandInProjects
) -> None:
    item = ines.post(PATH, json={"name": "x"}, headers=KEY).headers["Location"]
    away = Unavailable("restarting")
    for method, headers, status in (("GET", {}, 200), ("PATCH", {"Idempotency-Key": '"k2"'}, 200), ("PATCH", {}, 503)):
        projects.fail_next, before = [away], len(projects.calls)
        body = {"name": "y"} if method == "PATCH" else None
        assert ines.request(method, item, json=body, headers=headers).status_code == status
        assert len(projects.calls) - before == (2 if status == 200 else 1)
    projects.fail_next = [away] * 5
    before = len(projects.calls)
    assert ines.get(item).status_code == 503
    assert len(projects.calls) - before <= 2


def test_a_service_that_hangs_is_504_at_the_deadline(ines: httpx.Client, edge: Edge, projects: StandInProjects) -> None:
    projects.hold = asyncio.Event()
    started = time.monotonic()
    answer = ines.get(PATH)
    assert answer.status_code == 504
    assert answer.json()["type"].endswith("/problems/deadline-exceeded")
    assert 2.5 < time.monotonic() - started < 5


def test_a_client_that_says_how_long_it_waits_gets_its_504_by_then_and_is_not_worked_for_any_longer(
    ines: httpx.Client, projects: StandInProjects
) -> None:
    projects.hold = asyncio.Event()
    answer = ines.get(PATH, headers={"Prefer": "respond-async, wait=1"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (504, "wait=1")
    assert projects.left_s[-1] < 1
    projects.hold = None
    quick = ines.get(PATH, headers={"Prefer": "wait=600"})
    assert (quick.status_code, quick.headers["Preference-Applied"]) == (200, "wait=600")
    assert projects.left_s[-1] < 4  # what the gateway itself waits at most, which gRPC rounds up
    assert "Preference-Applied" not in ines.get(PATH, headers={"Prefer": "return=minimal"}).headers


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.INTERNAL, 500),
        (grpc.StatusCode.UNKNOWN, 500),
        (grpc.StatusCode.UNIMPLEMENTED, 500),
        (grpc.StatusCode.NOT_FOUND, 404),
        (grpc.StatusCode.PERMISSION_DENIED, 403),
        (grpc.StatusCode.UNAUTHENTICATED, 401),
        (grpc.StatusCode.INVALID_ARGUMENT, 422),
        (grpc.StatusCode.FAILED_PRECONDITION, 412),
        (grpc.StatusCode.ALREADY_EXISTS, 409),
        (grpc.StatusCode.ABORTED, 409),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 503),
    ],
)
def test_a_failure_without_a_reason_keeps_the_meaning_of_its_status(
    ines: httpx.Client, projects: StandInProjects, code: grpc.StatusCode, status: int
) -> None:
    projects.fail_next = [code]
    answer = ines.get(PATH)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    if status >= 500:
        assert "told to fail" not in answer.text


def test_a_bug_of_the_gateway_is_a_500_problem_that_tells_nothing(
    ines: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_(*_: Any) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("gateway.operations.preconditions", break_)
    answer = ines.get(PATH, headers={"Origin": "https://console.example.test"})
    assert answer.status_code == 500
    assert answer.json()["type"].endswith("/problems/internal-error")
    assert "secret" not in answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == "https://console.example.test"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_write_that_was_begun_ends_though_its_client_is_gone(
    edge: Edge, issuer: StandInIssuer, projects: StandInProjects
) -> None:
    head = f"Host: x\r\nAuthorization: Bearer {issuer.token(INES)}\r\nContent-Type: application/json\r\n"
    for i in range(20):
        body = f'{{"name":"P{i}"}}'
        projects.hold = asyncio.Event()
        with socket.create_connection(("127.0.0.1", edge.port)) as connection:
            request = (
                f'POST {PATH} HTTP/1.1\r\n{head}Idempotency-Key: "g{i}"\r\nContent-Length: {len(body)}\r\n\r\n{body}'
            )
            connection.sendall(request.encode())
            wait_for(lambda i=i: len(projects.calls) == i + 1)  # type: ignore[misc] # binds the round
        edge._loop.call_soon_threadsafe(projects.hold.set)
        wait_for(lambda i=i: len(projects.done) == i + 1)  # type: ignore[misc] # binds the round
    assert len(projects.projects) == 20


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(
    edge: Edge, issuer: StandInIssuer, ines: httpx.Client, projects: StandInProjects, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", edge.port)) as connection:
        connection.sendall(
            f'POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {issuer.token(INES)}\r\nIdempotency-Key: "k"\r\n'
            f'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"name":'.encode()
        )
    assert ines.get(PATH).status_code == 200
    assert not [call for call in projects.calls if call[0] == "CreateProject"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_sigterm_lets_running_requests_end_and_takes_no_new_ones(redis_server: Redis, issuer: StandInIssuer) -> None:
    edge = Edge(redis_server.url, issuer)
    edge.start()
    projects = edge.service.servicer
    projects.hold = asyncio.Event()
    headers = {"Authorization": f"Bearer {issuer.token(INES)}"}
    with httpx.Client(base_url=edge.url, headers=headers) as client, ThreadPoolExecutor(4) as crowd:
        running = [crowd.submit(client.get, PATH) for _ in range(4)]
        wait_for(lambda: len(projects.calls) == 4)
        stopping = in_a_thread(edge.stop)
        wait_for(lambda: refuses(edge.port))
        assert not any(request.done() for request in running)
        edge._loop.call_soon_threadsafe(projects.hold.set)
        assert [request.result(5).status_code for request in running] == [200] * 4
        stopping.join(10)
        assert not stopping.is_alive()


def test_a_gateway_that_goes_says_so_first_and_answers_until_it_is_heard(
    redis_server: Redis, issuer: StandInIssuer
) -> None:
    edge = Edge(redis_server.url, issuer, farewell_s=30)
    edge.start()
    headers = {"Authorization": f"Bearer {issuer.token(INES)}"}
    with httpx.Client(base_url=edge.url, headers=headers) as client:
        wait_for(lambda: ready(client)["status"] == "ready")
        stopping = in_a_thread(edge.stop)
        wait_for(lambda: ready(client).get("accepting") == "down")
        assert not refuses(edge.port)
        assert client.get(PATH).status_code == 200
        edge._server.handle_exit(signal.SIGINT, None)  # someone cannot wait
    stopping.join(20)
    assert not stopping.is_alive()


def in_a_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def test_without_redis_requests_are_served_and_ready_names_it(tmp_path: Path, issuer: StandInIssuer) -> None:
    server = Redis(tmp_path / "redis").start()
    edge = Edge(server.url, issuer, quotas=("reads=30/60",))
    edge.start()
    headers = {"Authorization": f"Bearer {issuer.token(INES)}"}
    try:
        with httpx.Client(base_url=edge.url, headers=headers) as client:
            wait_for(lambda: ready(client)["status"] == "ready")
            server.stop()
            wait_for(lambda: ready(client)["redis"] == "down", 2)
            answer = client.get(PATH)
            assert answer.status_code == 200
            assert answer.headers["RateLimit-Policy"] == '"reads";q=30;w=60'
            refused = next(a for a in (client.get(PATH) for _ in range(40)) if a.status_code != 200)
            assert (refused.status_code, int(refused.headers["Retry-After"]) >= 1) == (429, True)
            assert refused.json()["type"].endswith("/problems/temporary-reduced-capacity")
            assert refused.json()["violated-policies"] == ["reads"]
            server.start()
            wait_for(lambda: ready(client)["status"] == "ready")
    finally:
        edge.stop()
        server.stop()


def test_without_the_issuers_keys_no_token_can_be_judged(redis_server: Redis) -> None:
    issuer = StandInIssuer()
    issuer.away = True
    edge = Edge(redis_server.url, issuer)
    edge.start()
    try:
        with httpx.Client(base_url=edge.url, headers={"Authorization": f"Bearer {issuer.token(INES)}"}) as client:
            answer = client.get(PATH)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert ready(client)["issuer"] == "down"
            issuer.away = False
            wait_for(lambda: client.get(PATH).status_code == 200)
    finally:
        edge.stop()
        issuer.stop()
