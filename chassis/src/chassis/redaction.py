"""Takes secrets out of what is written to logs and traces: by the name before them, by their form, by their value.

A name such as `password` hides the value in quotes that follows it, or else the rest of its line: to write too little
is the smaller mistake. Text that hides something behind percent-encoding is written decoded. Secrets among the settings
of this process are hidden wherever they appear.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote

HIDDEN: Final = "[redacted]"

_SHORTEST: Final = 8
"""Characters; what is shorter is no secret, and stands in other words."""
_DEEPEST: Final = 12
_MOST_DECODINGS: Final = 4

_NAMES: Final = (
    "passw|passphrase|pwd|secret|token|authorization|authentication|cookie|credential|jwt|totp|otp_|csrf"
    "|api.?key|private.?key|signing.?key|seal.?key|session.?key|access.?key|verification.?code|recovery.?code"
    "|database.?url|redis.?url|smtp.?url|broker.?url|dsn"
)
_SECRET_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
_NAME: Final = rf"(?:{_NAMES})[\w.\-\[\]]{{0,64}}"
_VALUE: Final = r"(?P<quote>\\*[\"'])(?:.*?(?<!\\)(?P=quote)|.*)"
_NAMED: Final = re.compile(
    # In JSON and in what Python prints, the name stands in quotes and so does the value (in pairs, behind a comma):
    # there its end is known. Elsewhere a quote may be part of it.
    rf"(?P<quoted>{_NAME}\\*[\"']\s{{0,8}}(?:[:=,]|=>)\s{{0,8}}[bBuUrRfF]{{0,2}}){_VALUE}"
    rf"|(?P<bare>{_NAME}(?:\\*[\"'])?\s{{0,8}}(?:[:=>,]|=>)[\s=>]{{0,8}})[^\r\n]+",
    re.IGNORECASE | re.DOTALL,
)
_SCHEME: Final = re.compile(r"\b(?P<scheme>bearer|basic|digest|negotiate)(?P<space>[\s+]+)[^\s\"',;\\]+", re.IGNORECASE)
_LOGIN: Final = re.compile(r"(?P<before>[a-z][a-z0-9+.\-]{0,30}://[^\s:/@\"']*):[^\s]*@", re.IGNORECASE)
_FORMS: Final = re.compile(
    r"\b(?:nf[rt]_|whsec_)[A-Za-z0-9_\-+/=]+"  # refresh tokens, personal access tokens, secrets of webhooks
    r"|\beyJ[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]*){1,4}"  # JWTs (RFC 7519): a header that begins with {"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_SIGNS: Final = (
    *("passw", "passphrase", "pwd", "secret", "token", "auth", "cookie", "credential", "jwt", "totp", "otp_", "csrf"),
    *("key", "code", "url", "dsn", "bearer", "basic", "digest", "negotiate", "://", "eyj", "nfr_", "nft_", "whsec_"),
    "private",
)
"""One of these stands, in lower case, in whatever the expressions above find: most lines have none and cost little."""

_known: set[str] = set()
_values: re.Pattern[str] | None = None


def hide(secrets: Iterable[str]) -> None:
    """Have these values, of at least eight characters, redacted wherever they stand, as they are or encoded."""
    global _values  # noqa: PLW0603 - what this process knows, told as it starts
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            _known.update((secret, quote(secret, safe=""), quote(secret), quote_plus(secret)))
            quoted = (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret))
            _known.update(text[1:-1] for text in quoted)
    if _known:
        _values = re.compile("|".join(map(re.escape, sorted(_known, key=len, reverse=True))))


def redact(text: str) -> str:
    """Give the text without the secrets in it."""
    if _values is not None:
        text = _values.sub(HIDDEN, text)
    redacted = _redacted(text)
    if redacted == text and "%" in text:
        decoded = text
        for _ in range(_MOST_DECODINGS):
            before, decoded = decoded, unquote(decoded)
            if decoded == before:
                break
            hidden = _redacted(decoded)
            if hidden != decoded:
                return hidden
    return redacted


def redact_value(value: Any, name: str = "", depth: int = 0) -> Any:
    """Give what JSON can hold of a value without the secrets in it; `name` is what it is called."""
    if value is None or isinstance(value, bool):
        return value
    if name and _SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return "..." if depth == _DEEPEST else _of_many(value, depth + 1)
    return redact(value.decode("utf-8", "backslashreplace") if isinstance(value, bytes | bytearray) else str(value))


_PAIR: Final = 2


def _of_many(many: Any, depth: int) -> Any:
    if isinstance(many, Mapping):
        return {redact(str(key)): redact_value(value, str(key), depth) for key, value in many.items()}
    values = list(many)
    # A header field in ASGI and in gRPC is a pair of name and value.
    if len(values) == _PAIR and isinstance(values[0], str | bytes):
        name = values[0].decode("latin-1") if isinstance(values[0], bytes) else values[0]
        return [redact(name), redact_value(values[1], name, depth)]
    return [redact_value(value, "", depth) for value in values]


def _redacted(text: str) -> str:
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return text
    text = _FORMS.sub(HIDDEN, text)
    text = _LOGIN.sub(rf"\g<before>:{HIDDEN}@", text)
    text = _SCHEME.sub(rf"\g<scheme>\g<space>{HIDDEN}", text)
    return _NAMED.sub(_without_value, text)


def _without_value(found: re.Match[str]) -> str:
    mark = found["quote"] or ""
    return f"{found['quoted'] or found['bare']}{mark}{HIDDEN}{mark}"
