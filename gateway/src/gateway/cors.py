"""Cross-origin requests: on every answer, errors included, and preflights before anything that costs a quota."""

from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import problems
from gateway.problems import Problem

METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
REQUEST_HEADERS: Final = (
    "Authorization",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "Traceparent",
    "Tracestate",
    "X-NeoForge-CSRF",
    "X-Request-Id",
)
EXPOSED_HEADERS: Final = (
    "Age",
    "Cache-Status",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
    "X-Trace-Id",
)
_REMEMBER_S: Final = 600


class Cors(CORSMiddleware):
    """Starlette's CORS, with a refused preflight as a problem."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...], public_url: str) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=EXPOSED_HEADERS,
            max_age=_REMEMBER_S,
        )
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight that is refused; leave everything else to Starlette's."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        if "origin" in headers and "access-control-request-method" in headers and scope["method"] == "OPTIONS":
            response = self.preflight_response(request_headers=Headers(scope=scope))
            if response.status_code >= 400:  # noqa: PLR2004 - the border to errors
                await self._refused(response, scope["path"])(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def _refused(self, response: Response, path: str) -> Response:
        problem = Problem("CROSS_ORIGIN_REFUSED", f"{bytes(response.body).decode()}.")
        allowed = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        body = problems.body(problem, self._public_url, path)
        return Response(body, int(problem.type.status), headers=allowed, media_type=problems.MEDIA_TYPE)
