"""What the stack consists of: each part's command, environment and sign of readiness."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chassis.embedded.postgresql import PostgreSQL, create_database, create_service, url_of
from chassis.embedded.process import Command
from chassis.embedded.redis import Redis
from devstack import addresses, envoy
from devstack.children import Module
from devstack.loopback import answers
from devstack.ports import HOST, Ports
from devstack.services import Service, installed
from devstack.signin import DEMO_PASSWORD, demo_password
from devstack.supervisor import Part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from chassis.embedded.certificates import Identity
    from devstack.folders import Folders
    from devstack.people import Person

DATABASE = "neoforge"
AUDIENCE = "neoforge"
"""For whom access tokens are."""
_COLLECTORS = {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
_SPANS_WAIT_MS = "500"
"""How long a process collects spans before it sends them to the trace page; by default it would be 5 s."""
DATA, SERVICES, GATEWAY, EDGE = range(4)  # the layers, from the ground up


@dataclass(frozen=True, slots=True)
class Stack:
    """The whole of it, on one base port and one data folder."""

    folders: Folders
    ports: Ports
    surroundings: Mapping[str, str]
    """The environment that the stack was started in. What it sets reaches every process, unless the stack sets it."""
    services: tuple[Service, ...]
    database: PostgreSQL
    database_port: int
    """Where services reach the database: at another port than its own where NEOFORGE_DATABASE_VIA names one."""
    redis: Redis
    shows_traces: bool
    """Whether traces go to its own page: not where the environment names a collector for them."""

    @classmethod
    def of(cls, folders: Folders, ports: Ports, surroundings: Mapping[str, str]) -> Stack:
        """The stack with all services that are installed."""
        database = PostgreSQL(folders.data / "postgresql", ports.postgresql)
        redis = Redis(folders.data / "redis", ports.redis, durable=True)
        inherited = _inherited(surroundings)
        shows_traces = not inherited.keys() & _COLLECTORS
        if shows_traces:
            inherited["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{HOST}:{ports.otlp}"
            inherited.setdefault("OTEL_TRACES_SAMPLER", "parentbased_always_on")  # who looks wants to find
            inherited.setdefault("OTEL_BSP_SCHEDULE_DELAY", _SPANS_WAIT_MS)  # and not to wait
        via = int(inherited.get("NEOFORGE_DATABASE_VIA") or ports.postgresql)
        return cls(folders, ports, inherited, installed(), database, via, redis, shows_traces)

    @property
    def url(self) -> str:
        """Where people reach it."""
        return f"http://localhost:{self.ports.edge}"

    @property
    def secure_url(self) -> str:
        """The same over TLS, by HTTP/1.1, HTTP/2 or HTTP/3."""
        return f"https://localhost:{self.ports.edge_tls}"

    @property
    def authority(self) -> Path:
        """Whom to trust there."""
        return self.folders.certificates / "ca.crt"

    @property
    def mail_url(self) -> str:
        """Where people read the mail that was caught."""
        return f"http://localhost:{self.ports.mail_page}/"

    @property
    def traces_url(self) -> str:
        """Where people look at traces; one of them is at `traces/<id>` below it."""
        return f"http://localhost:{self.ports.trace_page}/"

    def taken_ports(self) -> dict[str, int]:
        """Every port that the stack is about to take, by the part that will hold it."""
        ports = self.ports
        named = {
            "Envoy": ports.edge,
            "Envoy over TLS": ports.edge_tls,
            "Envoy's administration": ports.envoy_admin,
            "the gateway": ports.gateway,
            "PostgreSQL": ports.postgresql,
            "Redis": ports.redis,
            "the mail catcher": ports.mail,
            "the mail catcher's page": ports.mail_page,
        }
        if self.shows_traces:
            named |= {"the receiver of traces": ports.otlp, "the trace page": ports.trace_page}
        for service in self.services:
            named[service.name] = ports.service(service.offset)
            named[f"{service.name}'s metrics"] = ports.service_operations(service.offset)
            named[f"{service.name}'s worker's metrics"] = ports.worker_operations(service.offset)
        return named

    # --- the parts ----------------------------------------------------------------------------------------------------

    def postgresql_part(self) -> Part:
        """The database server."""
        return Part("PostgreSQL", self.database.command, _asked(self.database.ready), self.database.prepare, layer=DATA)

    def redis_part(self) -> Part:
        """The server for limits and queues."""
        return Part("Redis", self.redis.command, _asked(self.redis.ready), self.redis.prepare, layer=DATA)

    def mail_part(self) -> Part:
        """The mail catcher."""
        settings = {**self._tls_environment("mail"), "NEOFORGE_DATA": str(self.folders.data)}
        command = self._python("devstack.mailcatcher", "--port", str(self.ports.base), environment=settings)
        return Part("mail", lambda: command, answers(f"{self.mail_url}health"), layer=DATA)

    def traces_part(self) -> Part:
        """The trace page and its receiver; the stack goes on without them."""
        command = self._python("devstack.traces", "--port", str(self.ports.base))
        return Part("traces", lambda: command, answers(f"{self.traces_url}health"), layer=DATA, needed=False)

    def service_part(self, service: Service) -> Part:
        """A service; ready once it says so on its operations port."""
        command = self._python(service.name, "serve", environment=self.service_environment(service))
        operations = f"http://{HOST}:{self.ports.service_operations(service.offset)}"
        return Part(service.name, lambda: command, answers(f"{operations}/ready"), layer=SERVICES)

    def worker_part(self, service: Service) -> Part:
        """The worker of a service's jobs: consumer, relay and scheduler in one process."""
        address = f"{HOST}:{self.ports.worker_operations(service.offset)}"
        settings = {**self.service_environment(service), "NEOFORGE_OPS_LISTEN": address}
        command = self._python(service.name, "worker", environment=settings)
        return Part(f"{service.name}-worker", lambda: command, answers(f"http://{address}/ready"), layer=SERVICES)

    def gateway_part(self) -> Part:
        """The gateway; ready once it answers for itself, whatever else is missing."""
        command = self._python("gateway", "serve", environment=self.gateway_environment())
        return Part("gateway", lambda: command, answers(f"http://{HOST}:{self.ports.gateway}/health"), layer=GATEWAY)

    def envoy_part(self) -> Part:
        """The edge."""
        file = self.folders.run / "envoy.yaml"
        options = ["--concurrency", "1", "--log-level", "warn", "--file-flush-interval-msec", "500"]
        # A hot restart would share memory, by a number, with any other Envoy on this machine.
        program = [str(envoy.program()), "--config-path", str(file), "--disable-hot-restart", *options]
        command = Command(program, {"PATH": os.defpath}, death_signal=signal.SIGTERM)

        def prepare() -> None:
            envoy.write(self.folders.run, self.ports, self.surroundings, self._identity("envoy").certificate.parent)

        ready = answers(f"http://{HOST}:{self.ports.envoy_admin}/ready")
        return Part("Envoy", lambda: command, ready, prepare, layer=EDGE)

    def migration(self, service: Service) -> Module:
        """The command that brings a service's schema up to date, under the role that owns it."""
        return self._python(service.name, "migrate", environment=self.service_environment(service))

    def account(self, person: Person) -> Module:
        """The command that makes a demo person's account, or finds it made."""
        auth = next(service for service in self.services if service.name == "auth")
        demo_password(self.folders)
        words = [person.mail, "--name", person.name.capitalize(), "--id", person.subject]
        words += [word for role in person.roles for word in ("--role", role)]
        words += ["--password-file", str(self.folders.secrets / DEMO_PASSWORD)]
        return self._python("auth", "add-account", *words, environment=self.service_environment(auth))

    @property
    def accounts_marker(self) -> Path:
        """Remembers that the demo people were given accounts: who changes password or roles finds them so later."""
        return self.folders.data / "demo-accounts"

    # --- roles and settings -------------------------------------------------------------------------------------------

    def create_roles(self) -> None:
        """Give every service its roles and its schema."""
        url = create_database(self.database.admin_url, DATABASE)
        for service in self.services:
            create_service(url, service.name, self._password(service.name), self._password(f"{service.name}_owner"))

    def python_environment(self) -> dict[str, str]:
        """What every Python process is started with; what it writes reaches its log at once."""
        # glibc would give each thread a heap of its own, and memory at rest is a promise.
        return {**self.surroundings, "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}

    def service_environment(self, service: Service) -> dict[str, str]:
        """A service's settings."""
        ports = self.ports
        return {
            **self._common_environment(service.name),
            "NEOFORGE_LISTEN": f"{HOST}:{ports.service(service.offset)}",
            "NEOFORGE_OPS_LISTEN": f"{HOST}:{ports.service_operations(service.offset)}",
            "NEOFORGE_DATABASE_URL": self._database_url(service.name, self.database_port),
            "NEOFORGE_MIGRATION_DATABASE_URL": self._database_url(f"{service.name}_owner"),
            "NEOFORGE_TRUSTED_CALLERS": "gateway",
            "NEOFORGE_SMTP_URL": f"smtp://{HOST}:{ports.mail}",
            "NEOFORGE_SMTP_CA": str(self.authority),
            "NEOFORGE_MAIL_FROM": "NeoForge <no-reply@neoforge.test>",
            "NEOFORGE_INVITATION_URL": f"{self.url}/api/v1/invitations/{{token}}",
            "NEOFORGE_SUBSCRIPTION_URL": f"{self.url}/api/v1/status/subscriptions/{{token}}",
            "NEOFORGE_STATUS_PAGE_URL": f"{self.url}/api/v1/status",
            "NEOFORGE_PROBES": ",".join(self._probes()),
            "NEOFORGE_TOKEN_ISSUER": self.url,
            "NEOFORGE_TOKEN_AUDIENCE": AUDIENCE,
            "NEOFORGE_PASSKEY_DOMAIN": "localhost",
            "NEOFORGE_PASSKEY_ORIGINS": self.url,
            "NEOFORGE_ATTACHMENTS_FOLDER": str(self.folders.data / "attachments"),
            **service.environment,
            **{f"NEOFORGE_{name.upper().replace('-', '_')}": self.folders.secret(name) for name in service.secrets},
        }

    def gateway_environment(self) -> dict[str, str]:
        """The gateway's settings."""
        targets = {
            f"NEOFORGE_{service.name.upper()}_TARGET": f"{HOST}:{self.ports.service(service.offset)}"
            for service in self.services
        }
        return {
            **self._common_environment("gateway"),
            **targets,
            "NEOFORGE_LISTEN": f"{HOST}:{self.ports.gateway}",
            "NEOFORGE_TOKEN_ISSUER": self.url,
            "NEOFORGE_TOKEN_AUDIENCE": AUDIENCE,
            "NEOFORGE_TRUSTED_PROXIES": "127.0.0.1/32,::1/128",
            "NEOFORGE_NEVER_PENALISED": ",".join(f"{address}/32" for address in addresses.own()),
            "NEOFORGE_PUBLIC_URL": self.url,
            "NEOFORGE_CORS_ORIGINS": ",".join(filter(None, (self.url, self.surroundings.get("NEOFORGE_CORS_ORIGINS")))),
        }

    def _probes(self) -> list[str]:
        """What the status page watches: this very stack."""
        ports = self.ports
        return [
            f"gateway=http://{HOST}:{ports.gateway}/health",
            *(f"{service.name}=grpc://{HOST}:{ports.service(service.offset)}" for service in self.services),
            f"database=tcp://{HOST}:{ports.postgresql}",
            f"queue=tcp://{HOST}:{ports.redis}",
            f"mail=tcp://{HOST}:{ports.mail}",
        ]

    def _common_environment(self, process: str) -> dict[str, str]:
        return {
            **self._tls_environment(process),
            "NEOFORGE_ENVIRONMENT": "development",
            "NEOFORGE_FAREWELL_S": "0",  # there is one of each: nobody else could be asked meanwhile
            "NEOFORGE_REDIS_URL": self.redis.url,
            "NEOFORGE_CURSOR_SECRET": self.folders.secret("cursor-secret"),
        }

    def _identity(self, process: str) -> Identity:
        from chassis.embedded.certificates import Authority  # noqa: PLC0415 - after the folders are known to be usable

        return Authority(self.folders.certificates).issue(process)

    def _tls_environment(self, process: str) -> dict[str, str]:
        identity = self._identity(process)
        return {
            "NEOFORGE_TLS_CA": str(identity.authority),
            "NEOFORGE_TLS_CERTIFICATE": str(identity.certificate),
            "NEOFORGE_TLS_KEY": str(identity.key),
        }

    def _python(self, package: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Module:
        """A command of one of our packages."""
        return Module(package, arguments, {**self.python_environment(), **(environment or {})})

    def _password(self, role: str) -> str:
        return self.folders.secret(f"{role.replace('_', '-')}-password")

    def _database_url(self, role: str, port: int | None = None) -> str:
        server = PostgreSQL(self.database.data, port or self.ports.postgresql)
        return url_of(server.admin_url, database=DATABASE, user=role, password=self._password(role))


def _inherited(surroundings: Mapping[str, str]) -> dict[str, str]:
    """What of a person's environment the processes may see: nothing that would send them elsewhere."""
    # libpq would take what our addresses leave open (TLS mode, options) from settings for another PostgreSQL.
    kept = {name: value for name, value in surroundings.items() if not name.startswith("PG")}
    for name in ("no_proxy", "NO_PROXY"):
        kept[name] = ",".join(filter(None, (kept.get(name), "localhost", "127.0.0.1", "::1")))
    return kept


def _asked(question: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return await asyncio.to_thread(question)

    return ask
