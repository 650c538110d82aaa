"""`helm install` against a cluster's API: what is missing there is told before anything is sent."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml
from charts import CHART, helm

NAMESPACE = "/api/v1/namespaces/neoforge"
KINDS = (("namespaces", "Namespace", False), ("secrets", "Secret", True))


class Cluster(ThreadingHTTPServer):
    """As much of the Kubernetes API as Helm asks before it sends anything: versions, one namespace, its Secrets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.secrets: dict[str, list[str]] = {}

    def answer(self, path: str) -> dict[str, Any] | None:
        if path.startswith(f"{NAMESPACE}/secrets/") and (name := path.rpartition("/")[2]) in self.secrets:
            return {"kind": "Secret", "apiVersion": "v1", "data": dict.fromkeys(self.secrets[name], "")}
        resources = [
            {"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]}
            for name, kind, namespaced in KINDS
        ]
        return {
            "/version": {"major": "1", "minor": "31", "gitVersion": "v1.31.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
            "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": resources},
            NAMESPACE: {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "neoforge"}},
            f"{NAMESPACE}/secrets": {"kind": "SecretList", "apiVersion": "v1", "items": []},
        }.get(path)


class Handler(BaseHTTPRequestHandler):
    server: Cluster

    def do_GET(self) -> None:
        found = self.server.answer(self.path.partition("?")[0])
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        body = json.dumps(missing if found is None else found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, *values: str) -> str:
    monkeypatch.setenv("KUBECONFIG", os.devnull)
    api = ("--kube-apiserver", f"http://127.0.0.1:{cluster.server_port}", "--kube-token", "none")
    done = helm("install", "neoforge", CHART, "--namespace", "neoforge", "--dry-run=server", *api, *values)
    assert done.returncode != 0
    return done.stderr


def documented() -> dict[str, list[str]]:
    """Every Secret that the chart reads by default, with its keys."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    found: dict[str, list[str]] = {}
    for process in values.values():
        if isinstance(process, dict) and "secrets" in process:
            for part in (process, process.get("worker", {}), process.get("migrate", {})):
                for source in part.get("secrets", {}).values():
                    found.setdefault(source["name"], []).append(source["key"])
    return found


@pytest.mark.parametrize("secret", sorted(documented()))
def test_a_secret_that_is_not_there_is_named_with_who_needs_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    cluster.secrets = {name: keys for name, keys in documented().items() if name != secret}
    said = refused(cluster, monkeypatch)
    assert f"there is no Secret {secret} in the namespace neoforge, whose key " in said


def test_a_key_that_is_not_there_is_named_with_what_it_holds(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.secrets = documented() | {"neoforge-auth": ["database-url", "cursor-secret"]}
    said = refused(cluster, monkeypatch)
    assert "auth: the Secret neoforge-auth has no key auth-secret, which holds NEOFORGE_AUTH_SECRET." in said


TLS = ["ca.crt", "tls.crt", "tls.key"]
PROCESSES = sorted(path.stem for path in (CHART / "services").glob("*.yaml"))
BY_CHOICE = {
    "roles.enabled=true,roles.adminSecret=postgresql-admin": {
        "postgresql-admin": ["host", "port", "username", "password"],
        **{f"neoforge-{name}-roles": ["password", "owner-password"] for name in PROCESSES if name != "gateway"},
    },
    "edge.tls.secret=edge-tls": {"edge-tls": ["tls.crt", "tls.key"]},
    "global.tls.mode=secret": {f"neoforge-{name}-tls": TLS for name in PROCESSES},
}
"""Secrets that are read where a value asks for it."""


@pytest.mark.parametrize(
    ("values", "secret"),
    [pytest.param(values, secret, id=secret) for values, secrets in BY_CHOICE.items() for secret in secrets],
)
def test_so_is_one_that_a_value_asks_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, values: str, secret: str
) -> None:
    wanted = documented() | BY_CHOICE[values]
    cluster.secrets = {name: keys for name, keys in wanted.items() if name != secret}
    said = refused(cluster, monkeypatch, "--set", values)
    assert f"there is no Secret {secret} in the namespace neoforge, whose key " in said


@pytest.mark.parametrize("values", BY_CHOICE)
def test_and_so_is_a_key_of_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, values: str) -> None:
    secret, keys = next(iter(BY_CHOICE[values].items()))
    cluster.secrets = documented() | BY_CHOICE[values] | {secret: keys[:-1]}
    said = refused(cluster, monkeypatch, "--set", values)
    assert f"the Secret {secret} has no key {keys[-1]}, which holds " in said


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("projects.replcas=3", "Additional property replcas is not allowed"),
        ("projects.replicas=many", "Invalid type. Expected: integer, given: string"),
    ],
)
def test_a_typo_and_a_wrong_type_fail_the_install_too(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, value: str, words: str
) -> None:
    assert words in refused(cluster, monkeypatch, "--set", value)
