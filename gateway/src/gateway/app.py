"""The gateway's application: its routes, and the layers that every request passes."""

import importlib.metadata
from typing import TYPE_CHECKING

from fastapi import FastAPI

from chassis.settings import Environment
from gateway.answers import Problems, Router
from gateway.cors import Cors
from gateway.cspreports import add_collector
from gateway.headers import SecurityHeaders, protecting
from gateway.observation import Observation
from gateway.overload import Admitting
from gateway.pages import add_pages
from gateway.parts import Parts
from gateway.probes import add_probes
from gateway.routes import invitations, projects, projects_webhooks
from gateway.services import SERVICES

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_DESCRIPTION = """
NeoForge's API. Every error is a problem (RFC 9457) with `trace_id` and `request_id`. Send an access token as
`Authorization: Bearer ...`. Items and lists carry strong ETags: `If-None-Match` saves a transfer and costs no quota,
`If-Match` guards a change. A write with an `Idempotency-Key` can be repeated safely.
"""


def build(parts: Parts) -> Observation:
    """Put the application together; read from the bottom up, the layers are in the order that a request passes them."""
    settings = parts.settings
    production = settings.environment is Environment.PRODUCTION
    api = FastAPI(
        title="NeoForge API",
        version=importlib.metadata.version("neoforge-gateway"),
        description=_DESCRIPTION.strip(),
        openapi_url=None,  # see pages.py
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # see observation.py
    )
    api.state.parts = parts
    api.router.routes += [
        *projects.projects,
        *projects.members,
        *invitations.invitations,
        *projects_webhooks.webhooks,
    ]
    for service in SERVICES:
        if service.stubs in parts.services:
            api.router.routes += [route for routes in service.routes for route in routes]
    add_probes(api, parts.readiness, production=production)
    add_collector(api, parts)
    add_pages(api, settings.public_url)

    app: ASGIApp = Router(api)
    app = Admitting(app, parts.admission)
    app = Problems(app, settings.public_url, parts.penalties)
    app = Cors(app, settings.cors_origins, settings.public_url)
    app = SecurityHeaders(app, protecting(settings.public_url, production=production))
    return Observation(app, settings.proxies, settings.forwarded_header, parts.admission, parts.penalties)
