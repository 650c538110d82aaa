"""Calls a service by method name, as a person, the way the gateway does."""

import hashlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.identity import Caller
from chassis.rpc.channel import Channel
from chassis.rpc.client import Reply, invoke
from chassis.settings import Tls


class Client:
    """A channel to a service, for `await call(person, "GetThing", request, key=...)`; it raises RemoteError."""

    def __init__(self, target: str, tls: Tls | None, services: Sequence[ServiceDescriptor]) -> None:
        self.channel = Channel(target, tls)
        self._methods: Mapping[str, MethodDescriptor] = {m.name: m for s in services for m in s.methods}

    async def __call__(self, caller: Caller, method: str, request: Message, **options: Any) -> Any:
        """Call a method and give its reply's message; options as `full`."""
        return (await self.full(caller, method, request, **options)).message

    async def full(
        self,
        caller: Caller,
        method: str,
        request: Message,
        *,
        key: str | None = None,
        payload: bytes | None = None,
        timeout_s: float = 20.0,
        request_id: str = "test-request",
        repeatable: bool = False,
    ) -> Reply:
        """Call a method and give message and trailers; `payload`, else the request, is fingerprinted."""
        descriptor = self._methods[method]
        rpc = self.channel.unary_unary(
            self.path(method),
            request_serializer=type(request).SerializeToString,
            response_deserializer=GetMessageClass(descriptor.output_type).FromString,
        )
        body = request.SerializeToString(deterministic=True) if payload is None else payload
        return await invoke(
            rpc,
            request,
            caller=caller,
            request_id=request_id,
            timeout_s=timeout_s,
            idempotency=(key, hashlib.sha256(body).hexdigest()) if key else None,
            repeatable=repeatable,
        )

    def path(self, method: str) -> str:
        """Give the full name of a method: `/package.Service/Method`."""
        return f"/{self._methods[method].containing_service.full_name}/{method}"

    async def __aenter__(self) -> Self:
        """Connect: a call itself does not wait for that, since it is to tell when a service is away."""
        await self.channel.channel_ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.channel.close(None)
