"""Headers that protect whoever shows an answer, on every answer; a page that needs more says so itself."""

from typing import Final

from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import cspreports

API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
_HALF_A_YEAR: Final = 15_552_000
_A_DAY: Final = 86_400
_POLICY: Final = b"content-security-policy"
_REPORTS: Final = f"; report-uri {cspreports.PATH}; report-to {cspreports.GROUP}".encode()


class SecurityHeaders:
    """Adds them, and tells browsers where to report what breaks a page's policy (Reporting API; CSP, section 6.5).

    `production` tells them to come by HTTPS alone from now on (RFC 6797), and leaves out `Report-To`, which only
    browsers read that are older than `Reporting-Endpoints`.
    """

    def __init__(self, app: ASGIApp, public_url: str, *, production: bool) -> None:
        self._app = app
        reports = public_url + cspreports.PATH
        self._fields = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-resource-policy", b"same-site"),
            (b"content-security-policy", API_POLICY),
            (b"reporting-endpoints", f'{cspreports.GROUP}="{reports}"'.encode()),
        ]
        if production:
            self._fields.append((b"strict-transport-security", b"max-age=%d; includeSubDomains" % _HALF_A_YEAR))
        else:
            group = {"group": cspreports.GROUP, "max_age": _A_DAY, "endpoints": [{"url": reports}]}
            self._fields.append((b"report-to", to_json(group)))

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
