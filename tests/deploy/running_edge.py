"""The Envoy of the chart, run with the configuration that it gets there."""

import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from charts import Object, pods, rendered

from chassis.embedded.ports import free_ports
from chassis.embedded.process import Command, Process
from devstack import envoy

HTTP, ADMIN, OPERATIONS, GATEWAY = range(4)
"""Its ports and the gateway's, as they lie after `Edge.base`."""


@dataclass(frozen=True)
class Edge:
    base: int
    pre_stop: list[str]

    def asked(self, port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
        """The status and the body; status 0 where nothing answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.base + port, timeout=60)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def told_to_stop(self) -> subprocess.Popen[bytes]:
        """Kubernetes is about to end the pod."""
        return subprocess.Popen(self.pre_stop, stdout=subprocess.DEVNULL, start_new_session=True)


@contextmanager
def running(folder: Path) -> Iterator[Edge]:
    """Run it on ports of this machine, before whatever listens where the gateway does."""
    base = free_ports(4)
    objects = rendered("--set", "edge.replicas=1")
    (text,) = (item["data"]["envoy.yaml"] for item in objects if "envoy.yaml" in item.get("data", {}))
    (pod,) = (pod for whose, pod in pods(objects) if whose == "Deployment neoforge-edge")
    container: Object = pod["containers"][0]
    for there, here in {
        'address: "0.0.0.0", port_value: 8080': f"address: 127.0.0.1, port_value: {base + HTTP}",
        "address: neoforge-gateway, port_value: 8080": f"address: 127.0.0.1, port_value: {base + GATEWAY}",
        'address: "0.0.0.0", port_value: 9902': f"address: 127.0.0.1, port_value: {base + OPERATIONS}",
        "address: 127.0.0.1, port_value: 9901": f"address: 127.0.0.1, port_value: {base + ADMIN}",
    }.items():
        assert there in text, there
        text = text.replace(there, here)
    file = folder / "envoy.yaml"
    file.write_text(text)
    arguments = list(container["args"])
    arguments[arguments.index("--drain-time-s") + 1] = "2"
    arguments = [str(file) if word == "/etc/envoy/envoy.yaml" else word for word in arguments]
    command = Command([str(envoy.program()), *arguments, "--concurrency", "1"], {"PATH": os.defpath})
    edge = Edge(
        base,
        [
            word.replace("/127.0.0.1/9901", f"/127.0.0.1/{base + ADMIN}")
            for word in container["lifecycle"]["preStop"]["exec"]["command"]
        ],
    )
    process = Process.started(
        "Envoy", command, folder / "envoy.log", lambda: edge.asked(OPERATIONS, "/ready")[0] == 200, 60
    )
    try:
        yield edge
    finally:
        process.stop()
