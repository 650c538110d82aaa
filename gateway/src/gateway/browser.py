"""Browsers: the refresh token in a cookie that no script reads, and the proof that a request comes from our own pages.

Sources: RFC 6265bis (the `__Host-` prefix, SameSite), OWASP's CSRF prevention (custom header and Origin).
"""

from typing import Final

from gateway.call import Call
from gateway.problems import Problem

COOKIE: Final = "__Host-neoforge-refresh"
HEADER: Final = "X-NeoForge-CSRF"
_ATTRIBUTES: Final = "Path=/; Secure; HttpOnly; SameSite=Strict"


def refresh_token_of(call: Call) -> str | None:
    """Give the refresh token in the request's cookie, None without one.

    Raises:
        Problem: CROSS_SITE, when there is one and the request is not from one of our pages.
    """
    token = call.cookies.get(COOKIE)
    if token is None:
        return None
    require_own_page(call)
    return token


def require_own_page(call: Call) -> None:
    """Let a request pass that a page of the product, or of an origin that the operator lists, has sent.

    Another origin's page can send neither the header (its preflight is refused) nor our Origin.

    Raises:
        Problem: CROSS_SITE.
    """
    settings = call.parts.settings
    origin = call.headers.get("origin")
    if origin not in {settings.public_url, *settings.cors_origins} or call.headers.get(HEADER) != "1":
        raise Problem("CROSS_SITE", f"This needs the header {HEADER}: 1 and the Origin {settings.public_url}.")


def keeping(token: str, seconds: int) -> bytes:
    """Give the Set-Cookie that keeps a refresh token for as long as its session lasts without a refresh."""
    return f"{COOKIE}={token}; Max-Age={max(0, seconds)}; {_ATTRIBUTES}".encode()


def dropping() -> bytes:
    """Give the Set-Cookie that removes it: for who signs out, and for nobody else."""
    return f"{COOKIE}=; Max-Age=0; {_ATTRIBUTES}".encode()
