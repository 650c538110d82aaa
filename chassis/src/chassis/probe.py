"""`python -m chassis.probe`: is the process of this container ready? For health checks, by what is in the image anyway.

Asks for /ready on the operator's port, or on the main port of a process that has no other; with `--grpc`, asks the main
port by grpc.health.v1 as its callers reach it: with this process's own certificate. Exit status 0 if it is ready.
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S: Final = 4.0
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


def main() -> int:
    """Ask, and say on stderr what is wrong."""
    parser = argparse.ArgumentParser(
        prog="chassis.probe", description="Whether the process of this container is ready."
    )
    parser.add_argument("--grpc", action="store_true", help="ask the main port by grpc.health.v1")
    options = parser.parse_args()
    fault = by_grpc(os.environ) if options.grpc else by_http(os.environ)
    if fault:
        print(fault, file=sys.stderr)  # noqa: T201 - a command's answer
    return int(bool(fault))


def by_http(environment: Mapping[str, str]) -> str:
    """What keeps the process from being ready, or nothing."""
    address = _loopback(environment.get("NEOFORGE_OPS_LISTEN") or environment.get("NEOFORGE_LISTEN") or "")
    try:
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        body = answer.read(4096).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{address} does not answer: {error}"
    return "" if answer.status == http.HTTPStatus.OK else body


def by_grpc(environment: Mapping[str, str]) -> str:
    """What keeps the gRPC service from being ready, or nothing."""
    import grpc  # noqa: PLC0415 - the probe by HTTP runs every few seconds and should not pay for it
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415 - as above

    address = _loopback(environment.get("NEOFORGE_LISTEN", ""))
    files = [environment.get(f"NEOFORGE_TLS_{part}") for part in ("CA", "KEY", "CERTIFICATE")]
    if all(files):
        credentials = grpc.ssl_channel_credentials(*(Path(file).read_bytes() for file in files if file))
        # The name that every process's certificate has, beside the one by which others call it.
        options = [("grpc.ssl_target_name_override", "localhost")]
        channel = grpc.secure_channel(address, credentials, options=options)
    else:
        channel = grpc.insecure_channel(address)
    with channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            return f"{address} does not answer: {error.details()}"
    return "" if reply.status == health_pb2.HealthCheckResponse.SERVING else "it is not serving"


def _loopback(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"{_ANYWHERE.get(host, host)}:{port}"


if __name__ == "__main__":
    sys.exit(main())
