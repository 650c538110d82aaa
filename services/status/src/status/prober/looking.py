"""Looks at a target once: does it answer as it should, within the time it has?

A redirect is an answer and not followed, no proxy is taken from the environment, and of a page only the head is read.
"""

import asyncio
import ssl
from functools import lru_cache
from typing import Final

import grpc
import httpcore
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.rpc.client import channel
from chassis.settings import Tls
from chassis.webhooks.outbound import Resolver, system_resolver
from chassis.webhooks.urls import literal_address
from status.prober.targets import Target, why_not

_AT_ONCE: Final = 20
_FIRST_ERROR: Final = 400


class Prober:
    """Looks at targets; `tls` is this process's identity, with which gRPC servers of the product are asked."""

    def __init__(self, timeout_s: float, tls: Tls | None, resolve: Resolver = system_resolver) -> None:
        self._timeout_s = timeout_s
        self._tls = tls
        self._resolve = resolve
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def look(self, target: Target) -> str:
        """Give what is wrong with a target, nothing if it answers as it should."""
        ask = {"tcp": self._tcp, "grpc": self._grpc}.get(target.scheme, self._http)
        async with self._turns:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await ask(target, await self._address(target))
            except TimeoutError:
                return f"no answer within {self._timeout_s:g} s"
            except _Refused as refused:
                return str(refused)
            except (OSError, httpcore.NetworkError, httpcore.ProtocolError, grpc.aio.AioRpcError) as failed:
                return f"no answer: {_said(failed)}"

    async def _address(self, target: Target) -> str:
        """Give the address to be connected to, which is the one that was checked."""
        literal = literal_address(target.host)
        addresses = [literal] if literal else await self._resolve(target.host, target.port)
        for address in addresses:
            refused = why_not(address)
            if refused:
                raise _Refused(f"the target leads to {refused}")
        return str(addresses[0])

    async def _tcp(self, target: Target, address: str) -> str:
        _, writer = await asyncio.open_connection(address, target.port)
        writer.close()
        return ""

    async def _http(self, target: Target, address: str) -> str:
        url = httpcore.URL(scheme=target.scheme, host=address, port=target.port, target=target.path or "/")
        headers = [("Host", target.authority), ("User-Agent", "NeoForge-Prober"), ("Connection", "close")]
        extensions = {} if literal_address(target.host) else {"sni_hostname": target.host}
        async with (
            httpcore.AsyncConnectionPool(ssl_context=_system_tls() if target.scheme == "https" else None) as pool,
            pool.stream("GET", url, headers=headers, extensions=extensions) as response,
        ):
            return "" if response.status < _FIRST_ERROR else f"it answered with status {response.status}"

    async def _grpc(self, target: Target, address: str) -> str:
        del address  # the certificate is for the name, so gRPC looks it up by itself
        async with channel(f"{target.host}:{target.port}", self._tls) as connection:
            stub = health_pb2_grpc.HealthStub(connection)
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=target.path.strip("/")))
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return "" if status == "SERVING" else f"it says {status}"


class _Refused(Exception):
    """The target leads where nothing may be watched."""


@lru_cache(maxsize=1)
def _system_tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _said(failed: Exception) -> str:
    if isinstance(failed, grpc.aio.AioRpcError):
        return failed.code().name
    return str(failed) or type(failed).__name__
