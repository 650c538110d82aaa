"""Looks at a target once: does it answer as it should, within the time it has?

A redirect is an answer and not followed, no proxy is taken from the environment, and of a page only the head is read.
"""

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import grpc
import httpcore
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry import trace

from chassis import telemetry
from chassis.rpc.channel import Channel
from chassis.settings import Tls
from chassis.webhooks.outbound import Resolver, SystemResolver
from chassis.webhooks.urls import literal_address
from status.prober.spans import described
from status.prober.targets import Target, why_not

_AT_ONCE: Final = 20
_FIRST_ERROR: Final = 400
_resolver: Final = SystemResolver("probe-names", _AT_ONCE)


class Prober:
    """Looks at targets; `tls` is this process's identity, with which gRPC servers of the product are asked."""

    def __init__(self, timeout_s: float, tls: Tls | None, resolve: Resolver = _resolver) -> None:
        self._timeout_s = timeout_s
        self._tls = tls
        self._resolve = resolve
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def look(self, target: Target) -> str:
        """Give what is wrong with a target, nothing if it answers as it should."""
        name, attributes = described(target)
        async with self._turns:
            with telemetry.calling(name, attributes, ()) as span:
                problem = await self._problem(target)
                if problem:
                    telemetry.fail(span, problem.kind, problem.words)
        return problem.words if problem else ""

    async def _problem(self, target: Target) -> "_Problem | None":
        ask = {"tcp": self._tcp, "grpc": self._grpc}.get(target.scheme, self._http)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await ask(target, await self._address(target))
        except TimeoutError:
            return _Problem("timeout", f"no answer within {self._timeout_s:g} s")
        except _Refused as refused:
            return _Problem("refused", str(refused))
        except grpc.aio.AioRpcError as failed:
            code = failed.code().name
            trace.get_current_span().set_attribute("rpc.status_code", code)
            unknown = "DNS" in (failed.details() or "")
            return _Problem(code, f"no answer: {'the name does not resolve' if unknown else code}")
        except (OSError, httpcore.NetworkError, httpcore.ProtocolError) as failed:
            return _Problem(type(failed).__name__, f"no answer: {_said(failed)}")

    async def _address(self, target: Target) -> str:
        """Give the address to be connected to, which is the one that was checked."""
        literal = literal_address(target.host)
        addresses = [literal] if literal else await self._resolve(target.host, target.port)
        for address in addresses:
            refused = why_not(address)
            if refused:
                raise _Refused(f"the target leads to {refused}")
        return str(addresses[0])

    async def _tcp(self, target: Target, address: str) -> "_Problem | None":
        _, writer = await asyncio.open_connection(address, target.port)
        writer.close()
        return None

    async def _http(self, target: Target, address: str) -> "_Problem | None":
        url = httpcore.URL(scheme=target.scheme, host=address, port=target.port, target=target.path or "/")
        headers = [("Host", target.authority), ("User-Agent", "NeoForge-Prober"), ("Connection", "close")]
        extensions = {} if literal_address(target.host) else {"sni_hostname": target.host}
        async with (
            httpcore.AsyncConnectionPool(ssl_context=_system_tls() if target.scheme == "https" else None) as pool,
            pool.stream("GET", url, headers=headers, extensions=extensions) as response,
        ):
            trace.get_current_span().set_attribute("http.response.status_code", response.status)
            if response.status < _FIRST_ERROR:
                return None
            return _Problem(str(response.status), f"it answered with status {response.status}")

    async def _grpc(self, target: Target, address: str) -> "_Problem | None":
        del address  # the certificate is for the name, so gRPC looks it up by itself
        async with Channel(f"{target.host}:{target.port}", self._tls) as connection:
            stub = health_pb2_grpc.HealthStub(connection)
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=target.path.strip("/")))
        trace.get_current_span().set_attribute("rpc.status_code", "OK")
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return None if status == "SERVING" else _Problem(status, f"it says {status}")


@dataclass(frozen=True)
class _Problem:
    """What is wrong with a target: as one of few kinds, and in words."""

    kind: str
    words: str


class _Refused(Exception):
    """The target leads where nothing may be watched."""


@lru_cache(maxsize=1)
def _system_tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _said(failed: Exception) -> str:
    """Say it for people who read the public page: never what the system's libraries call it."""
    if isinstance(failed, socket.gaierror):
        return "the name does not resolve"
    causes = [failed, failed.__cause__, failed.__context__]
    number = next((cause.errno for cause in causes if isinstance(cause, OSError) and cause.errno), None)
    if isinstance(failed, ssl.SSLError) or any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "the TLS connection failed"
    if number is not None:
        return f"the connection failed: {os.strerror(number).lower()}"
    return "the connection broke off"
