"""Takes secrets out of what is written to logs and traces: by the name before them, by their form, by their value.

A name such as `password` hides the value in quotes that follows it, or else the rest of its line: to write too little
is the smaller mistake. Text that hides something behind an encoding (percent, HTML, JSON) is written decoded. Secrets
among the settings of this process are hidden wherever they appear.
"""

import codecs
import html
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from chassis.known_secrets import HIDDEN, KnownSecrets

_DEEPEST: Final = 12
_MOST_DECODINGS: Final = 4

_NAMES: Final = (
    "passw|passphrase|(?<![a-z])(?:pass|pin)(?![a-z])|pwd|secret|token|authorization|authentication|cookie|credential"
    "|jwt|totp|otp_|csrf|api.?key|private.?key|signing.?key|seal.?key|session.?key|access.?key|verification.?code"
    "|recovery.?code|database.?url|redis.?url|smtp.?url|broker.?url|dsn|__(?:host|secure)-"
)
_SECRET_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
_NAME: Final = rf"(?:{_NAMES})[\w.\-\[\]]{{0,64}}"
_ALONE: Final = re.compile(rf"[\w.\-\[\]]{{0,64}}{_NAME}", re.IGNORECASE)
_SPACE: Final = r"\s{0,40}"
_VALUE: Final = r"(?P<quote>\\*[\"'])(?:.*?(?<!\\)(?P=quote)|.*)"
_NAMED: Final = re.compile(
    # In JSON and in what Python prints, the name stands in quotes and so does the value (in pairs, behind a comma):
    # there its end is known. So it is in SQL, and where a name is itself a value: name="password" value="...".
    rf"(?P<quoted>{_NAME}(?:\\*[\"'][\s,]{{1,8}}\\*[\"']?value\\*[\"']?{_SPACE}[:=]{_SPACE}"
    rf"|\\*[\"']{_SPACE}(?:[:=,]|=>){_SPACE}[bBuUrRfF]{{0,2}}|\s{{1,8}})){_VALUE}"
    # Elsewhere a quote may be part of it, and so may all that comes before the end of the line.
    rf"|(?P<bare>{_NAME}(?:\\*[\"'])?{_SPACE}(?:[:=>,]|[=-]>)[\s=>]{{0,8}}|--[\w\-]{{0,64}}{_NAME}\s{{1,8}})[^\r\n]+"
    # The field of a form in parts (RFC 7578) ends at the next boundary.
    rf"|(?P<part>{_NAME}\\*[\"'][^\r\n]{{0,200}}?(?:\r?\n\r?\n|\\+r\\+n\\+r\\+n)).*?(?=\r?\n--|\\+r\\+n--|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_SCHEME: Final = re.compile(r"\b(?P<scheme>bearer|basic|digest|negotiate)(?P<space>[\s+]+)[^\s\"',;\\]+", re.IGNORECASE)
_LOGIN: Final = re.compile(
    r"(?P<before>[a-z][a-z0-9+.\-]{0,30}://)(?:(?P<user>[^\s:/@\"']*):[^\s]*|[^\s:/@\"']{16,})@", re.IGNORECASE
)
_FORMS: Final = re.compile(
    r"\b(?:nf[rt]_|whsec_)[A-Za-z0-9_\-+/=]+"  # refresh tokens, personal access tokens, secrets of webhooks
    r"|\beyJ[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]*){1,4}"  # JWTs (RFC 7519): a header that begins with {"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_SIGNS: Final = (
    *("pass", "pwd", "pin", "secret", "token", "auth", "cookie", "credential", "jwt", "totp", "otp_", "csrf", "__"),
    *("key", "code", "url", "dsn", "bearer", "basic", "digest", "negotiate", "://", "eyj", "nfr_", "nft_", "whsec_"),
    "private",
)
"""One of these stands, in lower case, in whatever the expressions above find: most lines have none and cost little."""
_ENCODED: Final = re.compile(r"[%&\0\\\x80-\U0010ffff]")
"""One of these stands in whatever is not the text that it is read as."""
_ESCAPED: Final = re.compile(r"\\+(?:u([0-9a-f]{4})|x([0-9a-f]{2}))", re.IGNORECASE)
_UNSEEN: Final = re.compile("[\0\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")

known = KnownSecrets()
"""Those of this process, told as it starts."""


def redact(text: str) -> str:
    """Give the text without the secrets in it."""
    text = known.without(text)
    redacted = _redacted(text)
    if redacted == text and _ENCODED.search(text):
        decoded = text
        for _ in range(_MOST_DECODINGS):
            before, decoded = decoded, _decoded(decoded)
            if decoded == before:
                break
            hidden = _redacted(known.without(decoded))
            if hidden != decoded:
                return hidden
    return redacted


def _decoded(text: str) -> str:
    """Undo one layer of what hides a text: percent-encoding, HTML's and JSON's escapes, look-alikes, unseen letters."""
    text = _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), html.unescape(unquote(text)))
    return text if text.isascii() and "\0" not in text else _UNSEEN.sub("", unicodedata.normalize("NFKC", text))


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
    if isinstance(value, bytes | bytearray):
        wide = value.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return redact(value.decode("utf-16" if wide else "utf-8", "backslashreplace"))
    return redact(str(value))


def _of_many(many: Any, depth: int) -> Any:
    if isinstance(many, Mapping):
        # A name may be told as a value, beside one that it names.
        told = any(isinstance(value, str | bytes) and _is_name(value) for value in many.values())
        return {
            redact(str(key)): HIDDEN if told and str(key).lower() == "value" else redact_value(value, str(key), depth)
            for key, value in many.items()
        }
    if hasattr(many, "_asdict"):
        return redact_value(many._asdict(), "", depth)
    # Behind a name stands its value: in a header field of ASGI or gRPC, in the arguments of a command.
    values, name, written = list(many), "", []
    for value in values:
        written.append(redact_value(value, name, depth))
        name = _text(value) if isinstance(value, str | bytes) and _is_name(value) and not name else ""
    return written


def _is_name(value: str | bytes) -> bool:
    return bool(_ALONE.fullmatch(_text(value)))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _redacted(text: str) -> str:
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return text
    text = _FORMS.sub(HIDDEN, text)
    text = _LOGIN.sub(_without_login, text)
    text = _SCHEME.sub(rf"\g<scheme>\g<space>{HIDDEN}", text)
    return _NAMED.sub(_without_value, text)


def _without_login(found: re.Match[str]) -> str:
    user = "" if found["user"] is None else f"{found['user']}:"
    return f"{found['before']}{user}{HIDDEN}@"


def _without_value(found: re.Match[str]) -> str:
    mark = found["quote"] or ""
    return f"{found['quoted'] or found['bare'] or found['part']}{mark}{HIDDEN}{mark}"
