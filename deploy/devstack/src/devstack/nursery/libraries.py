"""What the nursery imports for its children: libraries that several of them use, and none of our own code.

So a part runs the code that is in the tree when it starts, after a crash too, and metrics are registered where they
are defined.
"""

from __future__ import annotations

import importlib

LIBRARIES = (
    "aiosmtpd.smtp",
    "alembic.autogenerate",
    "alembic.command",
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.events.state",
    "celery.fixups.django",
    "celery.loaders.app",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.strategy",
    "cronsim",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.x509",
    "email.policy",
    "email_validator",
    "google.protobuf.json_format",
    "google.rpc.error_details_pb2",
    "grpc.aio",
    "grpc_health.v1.health",
    "grpc_reflection.v1alpha.reflection",
    "http.server",
    "httpx",
    "jinja2",
    "jwt",
    "kombu.transport.redis",
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    "opentelemetry.sdk.trace.export",
    "prometheus_client.openmetrics.exposition",
    "psycopg.types.json",
    "psycopg_binary",
    "psycopg_pool",
    "pydantic",
    "pydantic_settings",
    "redis.asyncio",
    "sqlalchemy.dialects.postgresql.psycopg",
    "uuid_utils",
)


def import_libraries() -> None:
    """Import them all."""
    for name in LIBRARIES:
        importlib.import_module(name)
