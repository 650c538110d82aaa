"""Prometheus beside a running stack, with its exporters, from Debian's packages; and people who use the stack."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import yaml
from ops.catalogue import ROOT

from chassis.embedded.postgresql import PostgreSQL, url_of
from chassis.embedded.redis import Redis
from chassis.testing.waiting import wait_for
from devstack.services import installed
from devstack.testing import Stack

PROGRAMS = ("prometheus", "prometheus-postgres-exporter", "prometheus-redis-exporter")
CONFIGURATION = ROOT / "ops" / "prometheus"
START_S = 30.0
HURRY = 15
"""So many times as often as configured it scrapes and evaluates here, and so many times as soon it takes alarm."""


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that scrapes a stack every second; `places` is the folder of its targets."""

    url: str
    places: Path

    def ask(self, query: str, at: float | None = None) -> list[dict[str, Any]]:
        """Give the result of an instant query.

        Raises:
            AssertionError: the query is wrong.
        """
        answer = httpx.post(
            f"{self.url}/api/v1/query", data={"query": query} | ({"time": at} if at else {}), timeout=30
        )
        assert answer.status_code == 200, f"{query}: {answer.text}"
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def get(self, path: str, **parameters: Any) -> Any:
        """Give what another part of its API answers."""
        return httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30).raise_for_status().json()["data"]

    @contextmanager
    def scraping(self, *also: tuple[str, Mapping[str, str]]) -> Iterator[None]:
        """Scrape more processes of ours, by address and labels, while the context lasts."""
        file = self.places / "neoforge.yml"
        before = file.read_text()
        _replace(
            file,
            yaml.safe_dump(yaml.safe_load(before) + [{"targets": [at], "labels": dict(labels)} for at, labels in also]),
        )
        try:
            yield
        finally:
            _replace(file, before)

    def wait_for(self, query: str) -> None:
        """Wait until a query has a result."""
        wait_for(lambda: self.ask(query), START_S, every_s=0.2, what=f"a result of {query}")


def _replace(file: Path, text: str) -> None:
    """Write a file that is read meanwhile."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


def targets(stack: Stack) -> list[dict[str, Any]]:
    """Give the processes of a stack as targets."""
    found = [_target(stack.port + 1, service="gateway", process="serve")]
    for service in installed():
        found.append(_target(stack.port + 20 + service.offset, service=service.name, process="serve"))
        found.append(_target(stack.port + 30 + service.offset, service=service.name, process="worker"))
    return found


def _target(port: int, **labels: str) -> dict[str, Any]:
    return {"targets": [f"127.0.0.1:{port}"], "labels": labels}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def watched(stack: Stack, folder: Path) -> Iterator[Prometheus]:
    """Run Prometheus with the configuration and rules of this repository, `HURRY` times as fast."""
    postgresql, redis, own = free_port(), free_port(), free_port()
    url = url_of(PostgreSQL(stack.data / "postgresql", stack.port + 3).admin_url, database="neoforge")
    with ExitStack() as parts:
        parts.enter_context(
            running(
                ["prometheus-postgres-exporter", f"--web.listen-address=127.0.0.1:{postgresql}"],
                {"DATA_SOURCE_NAME": f"{url}?sslmode=disable"},
                folder / "postgres_exporter.log",
            )
        )
        parts.enter_context(
            running(
                ["prometheus-redis-exporter", f"-web.listen-address=127.0.0.1:{redis}"],
                {"REDIS_ADDR": Redis(stack.data / "redis", stack.port + 4, durable=True).url},
                folder / "redis_exporter.log",
            )
        )
        node = parts.enter_context(_backup_told())
        (folder / "rules").mkdir()
        for file in (CONFIGURATION / "rules").glob("*.yml"):
            (folder / "rules" / file.name).write_text(_hurried(file.read_text()))
        places = folder / "targets"
        places.mkdir()
        for name, found in {
            "neoforge": targets(stack),
            "envoy": [_target(stack.port + 9)],
            "postgresql": [_target(postgresql)],
            "redis": [_target(redis)],
            "node": [_target(node)],
        }.items():
            (places / f"{name}.yml").write_text(yaml.safe_dump(found))
        configuration = (
            (CONFIGURATION / "prometheus.yml").read_text().replace("_interval: 15s", f"_interval: {15 // HURRY}s")
        )
        (folder / "prometheus.yml").write_text(configuration.replace("_interval: 15s", f"_interval: {15 // HURRY}s"))
        program = [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{own}",
            "--enable-feature=exemplar-storage",
        ]
        parts.enter_context(running(program, {}, folder / "prometheus.log"))
        prometheus = Prometheus(f"http://127.0.0.1:{own}", places)
        deadline = time.monotonic() + START_S
        while not _ready(prometheus):
            assert time.monotonic() < deadline, (folder / "prometheus.log").read_text()
            time.sleep(0.1)
        yield prometheus


def _hurried(rules_: str) -> str:
    """Have alerts wait shorter, and rules that are evaluated rarely more often."""
    return re.sub(r"(for|interval): (\d+)m", lambda found: f"{found[1]}: {int(found[2]) * 60 // HURRY}s", rules_)


def _ready(prometheus: Prometheus) -> bool:
    try:
        return httpx.get(f"{prometheus.url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextmanager
def _backup_told() -> Iterator[int]:
    """Tell of a backup, in node_exporter's place, as its textfile collector tells what a backup job left."""
    told = f"backup_last_success_timestamp_seconds {int(time.time())}\n".encode()

    class Told(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def dead(stack: Stack, *words: str) -> Iterator[None]:
    """Kill a process, found by the words of its command line, while its supervisor sleeps."""
    pid = stack.pid_of(*words)
    stack.process.send_signal(signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    try:
        yield
    finally:
        stack.process.send_signal(signal.SIGCONT)


# --- people -----------------------------------------------------------------------------------------------------------

STRANGER = {"X-Forwarded-For": "198.51.100.77"}
NOWHERE = "018f0000-0000-7000-9000-0000000000ff"
PAGES = (
    "/api/v1/projects",
    f"/api/v1/projects/{NOWHERE}",
    "/api/v1/support/tickets",
    f"/api/v1/support/tickets/{NOWHERE}",
    "/api/v1/community/posts",
    f"/api/v1/community/posts/{NOWHERE}",
    "/api/v1/status",
    f"/api/v1/status/incidents/{NOWHERE}",
    "/api/v1/auth/sessions",
    f"/api/v1/auth/access-tokens/{NOWHERE}",
    "/nothing/here",
)


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


def use(client: httpx.Client) -> None:
    """Do what people do, once: read, look for what is not there, write, have mails and webhooks sent."""
    for page in PAGES:
        client.get(page)
    again, project = key(), {"name": f"Watched {uuid4().hex[:8]}"}
    for _ in range(2):
        made = client.post("/api/v1/projects", json=project, headers=again)
    invitation = {"email": f"someone+{uuid4().hex[:8]}@example.test", "role": "maintainer"}
    client.post(f"/api/v1/projects/{made.json()['id']}/invitations", json=invitation, headers=key())
    client.post("/api/v1/support/tickets", json={"subject": "It is broken", "body": "Help"}, headers=key())
    category = {"slug": "watched", "name": "Watched"}  # there may be a hundred of them, and this goes on for long
    client.post("/api/v1/community/categories", json=category, headers=key())
    post = {"category": category["slug"], "title": "A post", "body": "What it says"}
    client.post("/api/v1/community/posts", json=post, headers=key())
    client.post("/api/v1/status/incidents", json={"title": "Slow", "body": "We look into it."}, headers=key())


def try_the_door(client: httpx.Client) -> None:
    """Do what strangers do who should not be there."""
    guess = {"username": "nobody@example.test", "password": "wrong-password"}
    client.post("/api/v1/auth/token", data={"grant_type": "password", **guess}, headers=STRANGER)
    client.get("/wp-login.php", headers=STRANGER)
    # Without the client's own way of signing in, which would put its token in place of this one.
    client.get("/api/v1/projects", headers={**STRANGER, "Authorization": "Bearer forged"}, auth=None)


def listen_in(client: httpx.Client, url: str) -> None:
    """Have everything told to a webhook endpoint."""
    client.post("/api/v1/webhooks", json={"url": url}, headers=key()).raise_for_status()


def dashboards() -> Iterator[tuple[str, str]]:
    """Give the title and each query of every panel of every dashboard."""
    for file in sorted((ROOT / "ops" / "grafana" / "dashboards").glob("*.json")):
        board = json.loads(file.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield f"{board['uid']}: {panel['title']}", target["expr"]


def documented() -> Iterator[tuple[str, str]]:
    """Give the page and each PromQL query of documentation and runbooks."""
    watching = ROOT / "docs" / "watching.md"
    asking = watching.read_text().partition("\n## Asking\n")[2].partition("\n## ")[0]
    for query in re.findall(r"^\|[^|]+\| `(.*)` \|$", asking, re.MULTILINE):
        yield watching.name, query
    for page in sorted((ROOT / "docs" / "runbooks").glob("*.md")):
        for block in re.findall(r"^```promql\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            for query in block.splitlines():
                yield page.name, query


def alerts() -> list[dict[str, Any]]:
    """Give every alert."""
    return [rule for rule in rules() if "alert" in rule]


def rules() -> list[dict[str, Any]]:
    """Give every rule."""
    files = sorted((CONFIGURATION / "rules").glob("*.yml"))
    return [rule for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]
