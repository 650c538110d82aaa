"""A service from start to end: what it is made of, and how it runs."""

import asyncio
import importlib.metadata
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import grpc
import sqlalchemy as sa
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis import cancelling, telemetry
from chassis.access import ANYONE, rules_of
from chassis.admission import Admission
from chassis.database import Database
from chassis.health import DATABASE, Health
from chassis.house import House
from chassis.idempotency import Idempotency
from chassis.jobs.cleanup import cleanups
from chassis.jobs.declaration import Jobs
from chassis.jobs.outbox import Outbox
from chassis.jobs.tables import JobTables
from chassis.ops import OpsServer
from chassis.paging import Cursors
from chassis.rpc.server import CallInterceptor
from chassis.settings import ServiceSettings
from chassis.watching import Watches, lasting_of

log = logging.getLogger(__name__)

S = TypeVar("S", bound=ServiceSettings)

DRAIN_S: Final = 20.0
"""How long running calls may take to end after SIGTERM; Kubernetes kills after 30 s."""

_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # a second process on the same port is a mistake to be told, not load balancing
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # So that clients see new replicas of a name: they look it up again when a connection ends, not when a replica says
    # farewell. Shorter than one replica waits for the other in a rolling restart (20 s in the chart).
    ("grpc.max_connection_age_ms", 15_000),
    ("grpc.max_connection_age_grace_ms", 11 * 60_000),  # longer than a file may take (the gateway's call.py)
)


@dataclass(frozen=True)
class Servicer:
    """An implementation of a proto service, and the generated function that adds it to a server."""

    implementation: Any
    add: Callable[[Any, Any], None]


@dataclass(frozen=True)
class Service(Generic[S]):
    """What a service is made of.

    `idempotency_keys` is its table of recorded replies, `job_tables` are those of its `jobs`; `build` makes, in their
    house, the servicers of the proto services in `descriptors`, in the same order.
    """

    name: str
    settings: type[S]
    tables: sa.MetaData
    idempotency_keys: sa.Table
    job_tables: JobTables
    migrations: Path
    descriptors: Sequence[ServiceDescriptor]
    build: Callable[[House[S]], Sequence[Servicer]]
    jobs: Jobs[S] = field(default_factory=Jobs)

    def house(self, settings: S, database: Database) -> House[S]:
        """Give what its servicers and jobs stand on."""
        return House(
            settings=settings,
            database=database,
            idempotency=Idempotency(self.idempotency_keys, timedelta(hours=settings.idempotency_ttl_hours)),
            cursors=Cursors(settings.cursor_secret.get_secret_value()),
            outbox=Outbox(self.job_tables, database),
            watches=Watches(),
        )

    @cached_property
    def all_jobs(self) -> Jobs[S]:
        """Its own jobs, and the clean-ups that every service has."""
        made = Jobs[S]()
        made.include(self.jobs)
        made.include(cleanups(self.idempotency_keys, self.job_tables))
        return made

    @property
    def version(self) -> str:
        """The installed version of the service's package."""
        return importlib.metadata.version(f"neoforge-{self.name}")


class RunningService(Generic[S]):
    """A service with its ports open; `port` and `ops_port` are the real ones where 0 was asked for."""

    def __init__(self, service: Service[S], settings: S) -> None:
        self._service, self._settings = service, settings
        self.database = Database.of(settings, service.name)
        self.health = Health(self.database)
        self._admission = Admission()
        self.failed = asyncio.Event()
        """A part of it has, without which it should not go on."""
        self.port = 0
        self.ops_port = 0

    async def start(self) -> None:
        """Open the pool and the ports.

        Raises:
            OSError: a port is taken.
        """
        await self.database.open()
        try:
            await self._open_ports()
        except BaseException:
            await self.database.close()
            raise
        await self._server.start()
        self._ops.start()
        works = (self.health.watch(), self._admission.watch(), self.house.watches.follow())
        self._works = cancelling.begin(*works, on_failure=self.failed.set)
        log.info("%s serves", self._service.name, extra={"port": self.port, "ops_port": self.ops_port})

    async def _open_ports(self) -> None:
        service, settings = self._service, self._settings
        self.house = service.house(settings, self.database)
        servicers = service.build(self.house)
        described = [(s.implementation, d) for s, d in zip(servicers, service.descriptors, strict=True)]
        rules = {name: rule for one in described for name, rule in rules_of(*one).items()}
        open_to_all = (health_pb2.DESCRIPTOR.services_by_name["Health"], *_reflection_services())
        rules |= {f"/{d.full_name}/{m.name}": ANYONE for d in open_to_all for m in d.methods}
        self._server = grpc.aio.server(
            interceptors=[
                CallInterceptor(
                    rules,
                    frozenset(settings.trusted_callers),
                    self._admission,
                    frozenset[str]().union(*(lasting_of(*one) for one in described)),
                )
            ],
            options=_OPTIONS,
        )
        for servicer in servicers:
            servicer.add(servicer.implementation, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, self._server)
        names = [d.full_name for d in (*service.descriptors, *open_to_all)]
        reflection.enable_server_reflection(names, self._server)
        self.port = self._bind(settings.listen)
        await self.health.look()
        self._ops = OpsServer(settings.ops_listen, lambda: {DATABASE: self.health.ready})
        self.ops_port = self._ops.port

    def _bind(self, address: str) -> int:
        tls = self._settings.tls
        try:
            if tls is None:
                return int(self._server.add_insecure_port(address))
            credentials = grpc.ssl_server_credentials([tls.chain], tls.ca, require_client_auth=True)
            return int(self._server.add_secure_port(address, credentials))
        except RuntimeError as taken:  # which does not say why
            raise OSError(f"cannot listen on {address}: is something else there?") from taken

    async def stop(self, grace_s: float = DRAIN_S) -> None:
        """Say that this process goes, let running calls end within `grace_s`, close everything.

        Calls that last end at once: who made them goes on with another replica.
        """
        await self.health.drain()
        self.house.watches.end()
        await self._server.stop(grace_s)
        await cancelling.end(*self._works)
        self._ops.stop()
        await self.house.outbox.close()
        await self.database.close()
        telemetry.flush()


def _reflection_services() -> list[ServiceDescriptor]:
    from grpc_reflection.v1alpha import reflection_pb2  # noqa: PLC0415 - its descriptor alone

    return [reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]]
