"""Headers that protect whoever shows an answer, on every answer; a page that needs more says so itself."""

from typing import Final

from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import cspreports
from gateway.representation import Headers

API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
_HALF_A_YEAR: Final = 15_552_000
_A_DAY: Final = 86_400
_POLICY: Final = b"content-security-policy"
_REPORTS: Final = f"; report-uri {cspreports.PATH}; report-to {cspreports.GROUP}".encode()


def protecting(public_url: str, *, production: bool) -> Headers:
    """Give them, with where browsers are to report what breaks a page's policy (Reporting API; CSP, section 6.5).

    `production` tells them to come by HTTPS alone from now on (RFC 6797), and leaves out `Report-To`, which only
    browsers read that are older than `Reporting-Endpoints`.
    """
    reports = public_url + cspreports.PATH
    group = {"group": cspreports.GROUP, "max_age": _A_DAY, "endpoints": [{"url": reports}]}
    return [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-site"),
        (b"content-security-policy", API_POLICY),
        (b"reporting-endpoints", f'{cspreports.GROUP}="{reports}"'.encode()),
        (b"strict-transport-security", b"max-age=%d; includeSubDomains" % _HALF_A_YEAR)
        if production
        else (b"report-to", to_json(group)),
    ]


class SecurityHeaders:
    """Adds them."""

    def __init__(self, app: ASGIApp, fields: Headers) -> None:
        self._app = app
        self._fields = fields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protect(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, _reporting(value) if name == _POLICY else value) for name, value in message["headers"]
                ]
                said = {name for name, _ in headers}
                message["headers"] = [*headers, *(field for field in self._fields if field[0] not in said)]
            await send(message)

        await self._app(scope, receive, protect)


def _reporting(policy: bytes) -> bytes:
    """Give a page's own policy with the place to report to; what is no page reports nothing."""
    return policy + _REPORTS
