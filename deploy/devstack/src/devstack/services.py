"""The services of the stack: one line each."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its package, its place among the ports, and settings that no other service has.

    `secrets` are those of them that are made for each stack: `webhook-secret-key` is NEOFORGE_WEBHOOK_SECRET_KEY.
    """

    name: str
    offset: int
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


# Webhooks to this machine, so that one can try them.
_TO_LOOPBACK = {"NEOFORGE_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128"}


SERVICES = (
    Service("projects", 0, _TO_LOOPBACK, ("webhook-secret-key", "invitation-secret")),
    Service("support", 1),
    Service("community", 2),
    Service("status", 3, _TO_LOOPBACK, ("webhook-secret-key", "subscription-secret")),
    Service("auth", 4, secrets=("auth-secret",)),
)  # fmt: skip


def installed() -> tuple[Service, ...]:
    """The services that are here to be started."""
    return tuple(service for service in SERVICES if _startable(service.name))


def _startable(package: str) -> bool:
    return find_spec(package) is not None and find_spec(f"{package}.__main__") is not None
