"""What OpenTelemetry's semantic conventions ask of a span, for tests that find what deviates.

HTTP, databases: stable (1.44). RPC: as stable from 1.45 on (`rpc.method` is the full name, `rpc.status_code` a name).
S3: in development, as a call of `aws-api`. A bare connection has no conventions but those of the network. Messaging: in
development; its process spans have their message's creation context as parent and link. SMTP has no conventions of its
own and takes those of messaging.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chassis.testing.otlp import Span

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
"""Span kinds by their numbers in OTLP."""

ENVOY: Final = "envoy"
"""Has attributes of its own besides, no types of errors, and knows no routes."""
OWN: Final = "neoforge."
"""Attributes that no convention knows are named after the product."""


@dataclass(frozen=True)
class Kind:
    """What one kind of span must have, may have, and is called."""

    required: frozenset[str]
    optional: frozenset[str]
    name: str
    """A pattern of the span's name, with attributes in braces."""


_HTTP: Final = "http.request.method"
_GENERAL: Final = frozenset({"error.type", "server.address", "server.port"})
KINDS: Final = {
    ("http", SERVER): Kind(
        frozenset({_HTTP, "url.path", "url.scheme", "http.response.status_code", "client.address"}),
        frozenset(
            {
                "http.route",
                "url.query",
                "http.request.method_original",
                "network.protocol.version",
                "user_agent.original",
            }
        ),
        "{http.request.method} {http.route}",
    ),
    ("http", CLIENT): Kind(
        frozenset({_HTTP, "server.address", "server.port", "url.full"}),
        frozenset({"http.response.status_code", "http.request.resend_count"}),
        "{http.request.method}",
    ),
    ("rpc", SERVER): Kind(frozenset({"rpc.system.name", "rpc.method", "rpc.status_code"}), frozenset(), "{rpc.method}"),
    ("rpc", CLIENT): Kind(
        frozenset({"rpc.system.name", "rpc.method", "rpc.status_code", "server.address", "server.port"}),
        frozenset(),
        "{rpc.method}",
    ),
    ("aws-api", CLIENT): Kind(
        frozenset({"rpc.system.name", "rpc.method", "aws.s3.bucket"}),
        frozenset({"aws.s3.key"}),
        "{rpc.method}",
    ),
    ("tcp", CLIENT): Kind(frozenset({"network.transport", "server.address", "server.port"}), frozenset(), "connect"),
    ("postgresql", CLIENT): Kind(
        frozenset(
            {"db.system.name", "db.namespace", "db.query.summary", "db.query.text", "server.address", "server.port"}
        ),
        frozenset({"db.response.status_code"}),
        "{db.query.summary}",
    ),
    ("postgresql", INTERNAL): Kind(
        frozenset(
            {"db.system.name", "db.namespace", "db.client.connection.pool.name", "server.address", "server.port"}
        ),
        frozenset(),
        "wait for a connection",
    ),
    ("redis", CLIENT): Kind(
        frozenset({"db.system.name", "db.namespace", "db.operation.name", "server.address", "server.port"}),
        frozenset({"db.stored_procedure.name"}),
        "{db.operation.name} {db.stored_procedure.name}",
    ),
    **{
        ("celery", kind): Kind(
            frozenset(
                {
                    *("messaging.system", "messaging.operation.name", "messaging.operation.type"),
                    *("messaging.destination.name", "messaging.message.id"),
                }
            ),
            frozenset(),
            "{messaging.operation.name} {messaging.destination.name}",
        )
        for kind in (PRODUCER, CONSUMER)
    },
    ("smtp", CLIENT): Kind(
        frozenset(
            {
                *("messaging.system", "messaging.operation.name", "messaging.operation.type", "messaging.message.id"),
                *("server.address", "server.port", "network.protocol.name"),
            }
        ),
        frozenset(),
        "{messaging.operation.name} {server.address}:{server.port}",
    ),
}
_FAILED_RPC: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
_SERVER_ERROR: Final = 500


def deviations(span: Span) -> Iterator[str]:
    """Say in what a span deviates."""
    system = system_of(span)
    kind = KINDS.get((system, span.kind))
    if kind is None:
        yield f"there is no convention for {system or 'such'} spans of kind {span.kind}"
        return
    held = set(span.attributes)
    if missing := kind.required - held:
        yield f"lacks {sorted(missing)}"
    if span.service != ENVOY and (
        more := {a for a in held if not a.startswith(OWN)} - kind.required - kind.optional - _GENERAL
    ):
        yield f"has {sorted(more)} besides"
    if span.name != (named := _named("{http.request.method}" if span.service == ENVOY else kind.name, span)):
        yield f"is not called {named}"
    if span.service != ENVOY and span.failed != ("error.type" in held):
        yield "an error has a type, and nothing else has"
    if span.failed != _should_have_failed(span):
        yield "its status is not what its code says"
    if span.ended_ns < span.started_ns:
        yield "ends before it starts"


def system_of(span: Span) -> str:
    """Give which conventions a span falls under."""
    held = span.attributes
    if system := held.get("rpc.system.name"):
        return "rpc" if system == "grpc" else str(system)
    named = held.get("db.system.name") or held.get("messaging.system") or ("http" if _HTTP in held else "")
    return str(named or held.get("network.transport", ""))


def _named(pattern: str, span: Span) -> str:
    filled = re.sub(r"\{([^}]+)\}", lambda found: str(span.attributes.get(found[1], "")), pattern)
    return filled.replace("_OTHER", "HTTP").strip()


def _should_have_failed(span: Span) -> bool:
    held = span.attributes
    if "rpc.status_code" in held:
        return held["rpc.status_code"] in _FAILED_RPC
    if (status := held.get("http.response.status_code")) is not None and span.kind == SERVER:
        return int(status) >= _SERVER_ERROR
    return span.failed
