"""What looks like an attack: the one table of kinds that counting, penalties and docs/threats.md are made from."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from starlette.types import Scope

from chassis.metrics import begin
from chassis.threats import threats

GATEWAY: Final = "gateway"
AUTH: Final = "auth"


@dataclass(frozen=True)
class Threat:
    """A kind of threat: what it is, who counts it, and the points that it costs the address that it comes from."""

    kind: str
    what: str
    points: int
    counted_by: str = GATEWAY


THREATS: Final[dict[str, Threat]] = {
    threat.kind: threat
    for threat in (
        Threat("scanner_path", "paths of other software that scanners look for: `/.env`, `/wp-login.php`", 10),
        Threat("traversal", r"paths that lead upwards or hide it: `..`, `%2e%2e`, `%2f`, `\`, also encoded twice", 10),
        Threat("malformed_token", "bearer tokens that are no JWT; one that has expired is no threat", 5),
        Threat("forged_token", "tokens with another algorithm (`none`, a shared secret) or a wrong signature", 20),
        Threat("brute_force", "tries of passwords and codes beyond their limit; each wrong one costs", 2, AUTH),
        Threat("token_reuse", "refresh tokens that were used before", 0, AUTH),
        Threat("passkey_copy", "passkeys that answer as a copy would", 0, AUTH),
        Threat("oversized", "heads and bodies beyond their bounds (431, 413)", 5),
        Threat("smuggling", "what could be read in two ways: length and chunks, two hosts, NUL in a header", 20),
    )
}

begin(threats, [threat.kind for threat in THREATS.values() if threat.counted_by == GATEWAY])

_SCANNED: Final = re.compile(
    r"\.(?:php\d?|aspx?|jspx?|cgi|env|bak|sql|ini|ya?ml)(?:[./]|$)"  # scripts, settings and dumps
    r"|/\.(?:git|svn|hg|aws|ssh|env|ds_store|htaccess|htpasswd|vscode)"  # what lies about in a folder that is served
    r"|/(?:wp-|wordpress|phpmyadmin|pma/|cgi-bin|actuator|server-status|manager/html|solr/|jenkins|boaform|hnap1)",
    re.IGNORECASE,
)
_UPWARDS: Final = re.compile(
    r"(?:^|[/\\])\.\.(?:[/\\;]|$)"  # a dot segment, and one with parameters, as Java's servers read it
    r"|\\|\x00|%(?:2f|5c|00)"  # what one reader takes for a separator or an end and another does not
    # a dot and slashes in more bytes than UTF-8 needs
    r"|(?:\xc0|\xe0\x80|\xf0\x80\x80)[\xae\xaf]|(?:\xc1|\xe0\x81|\xf0\x80\x81)\x9c"
    r"|/etc/passwd|/win\.ini",
    re.IGNORECASE,
)
_ENCODED_TIMES: Final = 3
"""So often a path is decoded to see what it hides."""


def of_path(target: bytes) -> str | None:
    """Give the kind of threat in a path that has no route, as it was sent; None for an honest mistake."""
    path = target.partition(b"?")[0].decode("latin-1")
    for _ in range(_ENCODED_TIMES + 1):
        if _UPWARDS.search(path):
            return "traversal"
        decoded = unquote(path, "latin-1")
        if decoded == path:
            break
        path = decoded
    return "scanner_path" if _SCANNED.search(path) else None


def of_refusal(scope: Scope, status: int) -> str | None:
    """Give the kind of threat in what was refused before it was a request; None for mere noise.

    What has no target was no attempt at HTTP, or one at another protocol or version.
    """
    if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return "oversized"
    if not scope["path"] or scope["http_version"] not in {"1.0", "1.1"}:
        return None
    return "traversal" if of_path(scope["path"].encode("latin-1")) == "traversal" else "smuggling"


_BY_BROWSERS: Final = frozenset({b"sec-fetch-site", b"sec-fetch-mode", b"origin", b"referer"})


def may_be_led(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a browser may have sent it for somebody else: a page's image, form or script, a link, a preflight.

    Browsers set Sec-Fetch-Site where the connection is secure (Fetch Metadata), and no page can take it off; where it
    is not, most requests that another page makes have Origin or Referer. `same-origin` is no better than `cross-site`:
    what people write on our pages may name any address.
    """
    return any(name in _BY_BROWSERS for name, _ in headers)


def table() -> str:
    """Give the kinds as a table in Markdown."""
    rows = [
        f"| `{threat.kind}`: {threat.what} | {threat.counted_by} | {threat.points or 'none'} |"
        for threat in THREATS.values()
    ]
    return "\n".join(["| Kind | Counted by | Points |", "|---|---|---|", *rows]) + "\n"
