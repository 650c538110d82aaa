"""As much of a cluster's API as Helm asks before it sends anything."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from charts import HELM, Object

NAMESPACE = "/api/v1/namespaces/neoforge"
KINDS = {
    "v1": ["Namespace", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim", "ConfigMap"],
    "apps/v1": ["Deployment"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "batch/v1": ["Job"],
    "cert-manager.io/v1": ["Certificate", "Issuer"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
}
OWNED = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-namespace": "neoforge"},
}


def plural(kind: str) -> str:
    return f"{kind.lower().removesuffix('y')}ies" if kind.endswith("cy") else f"{kind.lower()}s"


def place(item: Object) -> str:
    """The path of an object of the namespace."""
    version = item["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/neoforge/{plural(item['kind'])}/{item['metadata']['name']}"


class Cluster(ThreadingHTTPServer):
    """Versions and kinds, one namespace, its Secrets, and whatever another release has made."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.secrets: dict[str, list[str]] = {}
        self.made: dict[str, Object] = {}

    def made_by(self, release: str, objects: list[Object]) -> None:
        """These objects are there, and belong to a release."""
        for item in objects:
            annotations = OWNED["annotations"] | {"meta.helm.sh/release-name": release}
            metadata = item["metadata"] | {"labels": OWNED["labels"], "annotations": annotations}
            self.made[place(item)] = {**item, "metadata": metadata}

    def helm(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Ask Helm for something that it then would do here."""
        api = ("--kube-apiserver", f"http://127.0.0.1:{self.server_port}", "--kube-token", "none")
        command = [
            HELM,
            *arguments,
            "--namespace",
            "neoforge",
            "--dry-run=server",
            "--disable-openapi-validation",
            *api,
        ]
        environment = os.environ | {"KUBECONFIG": os.devnull}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    def answer(self, path: str) -> dict[str, Any] | None:
        if path.startswith(f"{NAMESPACE}/secrets/") and (name := path.rpartition("/")[2]) in self.secrets:
            return {"kind": "Secret", "apiVersion": "v1", "data": dict.fromkeys(self.secrets[name], "")}
        if path in self.made:
            return self.made[path]
        if (version := path.removeprefix("/apis/").removeprefix("/api/")) in KINDS:
            return {"kind": "APIResourceList", "groupVersion": version, "resources": resources(version)}
        groups = [group(version) for version in KINDS if "/" in version]
        return {
            "/version": {"major": "1", "minor": "31", "gitVersion": "v1.31.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
            NAMESPACE: {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "neoforge"}},
            f"{NAMESPACE}/secrets": {"kind": "SecretList", "apiVersion": "v1", "items": []},
        }.get(path)


def resources(version: str) -> list[dict[str, Any]]:
    return [
        {
            "name": plural(kind),
            "singularName": "",
            "namespaced": kind != "Namespace",
            "kind": kind,
            "verbs": ["get", "list"],
        }
        for kind in KINDS[version]
    ]


def group(version: str) -> dict[str, Any]:
    only = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [only], "preferredVersion": only}


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


@contextmanager
def running() -> Iterator[Cluster]:
    with Cluster() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
