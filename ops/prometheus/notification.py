"""What Alertmanager does with alerts: what belongs together is one notification, and what follows from a cause is none.

Alerts on error budgets are kept back by nothing but a faster one: they tell what people feel, whatever the cause.
"""

from collections.abc import Iterator
from typing import Any

from ops.catalogue import SERVICES

# As `dependency_up` calls them.
NEEDS_REDIS = "redis|relay|consumer|scheduler"
NEEDS_POSTGRESQL = "database|relay|scheduler|consumer"


def configuration() -> dict[str, Any]:
    """Give Alertmanager's configuration. Where alerts go is an installation's own: here, to its page alone."""
    return {
        "route": {
            "receiver": "page",
            # A part that is down is one matter, however many processes miss it.
            "group_by": ["alertname", "dependency", "slo"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [{"matchers": ['severity="ticket"'], "receiver": "page", "repeat_interval": "3d"}],
        },
        "inhibit_rules": list(inhibitions()),
        "receivers": [{"name": "page"}],
    }


def inhibitions() -> Iterator[dict[str, Any]]:
    """Give the causes, and what need not be told while they are."""
    yield _rule('alertname="StoreDown",job="redis"', f'alertname="NotReady",dependency=~"{NEEDS_REDIS}"')
    yield _rule('alertname="StoreDown",job="redis"', 'alertname=~"LimiterCountsAlone|OutboxTooOld|QueueTooDeep"')
    yield _rule('alertname="StoreDown",job="postgresql"', f'alertname="NotReady",dependency=~"{NEEDS_POSTGRESQL}"')
    yield _rule('alertname="StoreDown",job="postgresql"', 'alertname=~"DatabasePoolExhausted|OutboxTooOld"')
    # Where no exporter tells of a store, a worker that misses it still says so once.
    for dependency, needs in (("redis", "relay|consumer|scheduler"), ("database", "relay|consumer|scheduler")):
        yield _rule(
            f'alertname="NotReady",dependency="{dependency}"',
            f'alertname="NotReady",dependency=~"{needs}"',
            "service",
            "process",
        )
    # The gateway is not ready without a service that is dead or gone, or that misses a store.
    for service in SERVICES:
        part = "status-page" if service == "status" else service
        gateway = f'alertname="NotReady",service="gateway",dependency="{part}"'
        yield _rule(f'alertname=~"ProcessDown|ProcessMissing",service="{service}",process="serve"', gateway)
        yield _rule(f'alertname="NotReady",service="{service}",process="serve"', gateway)
        worker = f'alertname=~"ProcessDown|ProcessMissing",service="{service}",process="worker"'
        yield _rule(worker, f'alertname="OutboxTooOld",service="{service}"')
        yield _rule(worker, f'alertname="QueueTooDeep",queue=~"{service}[.].*"')
    yield _rule('alertname="StoreDown",job="postgresql"', 'alertname="NotReady",service="gateway",dependency!="redis"')
    for objective in ("availability", "latency"):
        title = objective.capitalize()
        yield _rule(f'alertname="{title}BurnsFast"', f'alertname="{title}BurnsSlowly"', "service")
    yield _rule('alertname="CertificateExpiresNow"', 'alertname="CertificateExpiresSoon"', "service", "instance")


def _rule(source: str, target: str, *equal: str) -> dict[str, Any]:
    made: dict[str, Any] = {"source_matchers": source.split(","), "target_matchers": target.split(",")}
    return made | ({"equal": list(equal)} if equal else {})
