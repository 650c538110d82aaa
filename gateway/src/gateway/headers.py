"""Headers that protect whoever shows an answer, on every answer; a page that needs more says so itself."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
_HALF_A_YEAR: Final = 15_552_000


class SecurityHeaders:
    """Adds them; `strict_transport` tells browsers to come by HTTPS alone from now on (RFC 6797)."""

    def __init__(self, app: ASGIApp, *, strict_transport: bool) -> None:
        self._app = app
        self._fields = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-resource-policy", b"same-site"),
            (b"content-security-policy", API_POLICY),
        ]
        if strict_transport:
            self._fields.append((b"strict-transport-security", b"max-age=%d; includeSubDomains" % _HALF_A_YEAR))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protect(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(field for field in self._fields if field[0] not in said)]
            await send(message)

        await self._app(scope, receive, protect)
