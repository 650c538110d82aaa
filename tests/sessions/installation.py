"""The auth service and the gateway before it, each twice, as processes of their own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import httpx

from auth.settings import Settings
from chassis.embedded.certificates import Identity
from chassis.embedded.ports import free_port
from chassis.testing.plugin import Logins
from chassis.testing.process import ServiceProcess, environment
from chassis.testing.waiting import until
from gateway.tiers import TIERS

ORIGIN: Final = "https://forge.example.test"


class Installation:
    """Two replicas of the auth service on one database, and two gateways, the nth of which asks the nth replica.

    Gateways believe what is said to be forwarded, so that a test calls from any address.
    """

    def __init__(self, settings: Settings, database: Logins, identity: Identity, redis_url: str) -> None:
        self.settings = settings
        self.database = database
        self.services = [ServiceProcess("auth", "serve", environment(settings)) for _ in range(2)]
        self.processes = list(self.services)
        self._identity = identity
        self._redis_url = redis_url
        self._started = 0

    @property
    def lines(self) -> str:
        """Everything that all processes have logged."""
        return "\n".join(f"{line}" for process in self.processes for line in (*process.logged, *process.plain))

    def start_gateway(self, **variables: str) -> str:
        """Start another gateway, told this beside the rest; give its address. It serves once `wait_for` says so."""
        port, to = free_port(), self.services[self._started % 2]
        self._started += 1
        told = {
            "NEOFORGE_ENVIRONMENT": "test",
            "NEOFORGE_LISTEN": f"127.0.0.1:{port}",
            "NEOFORGE_PUBLIC_URL": ORIGIN,
            "NEOFORGE_PROJECTS_TARGET": "127.0.0.1:9",
            "NEOFORGE_AUTH_TARGET": f"127.0.0.1:{to.port}",
            "NEOFORGE_REDIS_URL": self._redis_url,
            "NEOFORGE_TOKEN_ISSUER": ORIGIN,
            "NEOFORGE_TOKEN_AUDIENCE": "neoforge",
            "NEOFORGE_TLS_CA": str(self._identity.authority),
            "NEOFORGE_TLS_CERTIFICATE": str(self._identity.certificate),
            "NEOFORGE_TLS_KEY": str(self._identity.key),
            "NEOFORGE_TRUSTED_PROXIES": "127.0.0.0/8",
            "NEOFORGE_QUOTAS": ",".join(f"{tier}=100000/60" for tier in TIERS),
            "NEOFORGE_CALL_TIMEOUT_S": "60",
            # What a busy machine adds is not taken for a Redis that is away, without which nothing is let through.
            "NEOFORGE_REDIS_PATIENCE_S": "1",
            **variables,
        }
        self.processes.append(ServiceProcess("gateway", "serve", told))
        return f"http://127.0.0.1:{port}"


@contextmanager
def installed(settings: Settings, database: Logins, identity: Identity, redis_url: str) -> Iterator[Installation]:
    """Start an installation without gateways yet, and end all of it."""
    made = Installation(settings, database, identity, redis_url)
    try:
        for process in made.services:
            process.serving()
        yield made
    finally:
        with ExitStack() as ending:
            for process in made.processes:
                ending.enter_context(process)


async def wait_for(url: str) -> None:
    """Wait until a gateway checks tokens."""

    async def answers() -> bool:
        async with httpx.AsyncClient(base_url=url) as client:
            try:
                ready = (await client.get("/ready")).json()
            except httpx.HTTPError:
                return False
            return bool(ready.get("issuer") == "ok" and ready.get("revocations") == "ok")

    await until(answers, longest_s=60)
