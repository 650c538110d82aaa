"""Takes secrets out of what is written to logs and traces: by the name before them, by their form, by their value.

A name such as `password` hides the value in quotes that follows it, or else the rest of its line: to write too little
is the smaller mistake. Text that hides something behind an encoding (percent, HTML, JSON) is written decoded. Secrets
among the settings of this process are hidden wherever they appear.
"""

import codecs
import html
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from chassis.known_secrets import HIDDEN, KnownSecrets
from chassis.secret_places import is_name, places, tells

_DEEPEST: Final = 12
_MOST_DECODINGS: Final = 8
_LARGEST: Final = 2**63
_NAMED_BY_OTHERS: Final = frozenset({"value", "input", "input_value"})

_ENCODED: Final = re.compile(r"[%&\0\\\x80-\U0010ffff]")
"""One of these stands in whatever is not the text that it is read as."""
_ESCAPED: Final = re.compile(r"\\+(?:u([0-9a-f]{4})|x([0-9a-f]{2}))", re.IGNORECASE)
_UNSEEN: Final = re.compile("[\0\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")

known = KnownSecrets()
"""Those of this process, told as it starts."""


def redact(text: str) -> str:
    """Give the text without the secrets in it."""
    redacted = decoded = _redacted(text)
    for _ in range(_MOST_DECODINGS):
        if not _ENCODED.search(decoded):
            break
        before, decoded = decoded, _decoded(decoded)
        if decoded == before:
            break
        hidden = _redacted(decoded)
        if hidden != decoded:
            redacted = decoded = hidden
    return redacted


def _decoded(text: str) -> str:
    """Undo one layer of what hides a text: percent-encoding, HTML's and JSON's escapes, look-alikes, unseen letters.

    What was one line stays one: a line's end that was hidden is no end of a secret.
    """
    return "".join([_line(line) for line in text.splitlines(keepends=True)])


def _line(line: str) -> str:
    if not _ENCODED.search(line):
        return line
    held = line.rstrip("\r\n")
    read = _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), html.unescape(unquote(held)))
    if not read.isascii() or "\0" in read:
        read = _UNSEEN.sub("", unicodedata.normalize("NFKC", read))
    return read.replace("\r", "\\r").replace("\n", "\\n") + line[len(held) :]


def redact_value(value: Any, name: str = "", depth: int = 0) -> Any:
    """Give what JSON can hold of a value without the secrets in it; `name` is what it is called."""
    if value is None or isinstance(value, bool):
        return value
    if name and tells(name, value):
        return HIDDEN
    if isinstance(value, int | float):
        # JSON has no infinity, and readers of it no endless integers (RFC 8259, section 6).
        return value if math.isfinite(value) and abs(value) <= _LARGEST else str(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return "..." if depth == _DEEPEST else _of_many(value, depth + 1)
    if isinstance(value, bytes | bytearray):
        wide = value.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return redact(value.decode("utf-16" if wide else "utf-8", "backslashreplace"))
    return redact(str(value))


def _of_many(many: Any, depth: int) -> Any:
    if isinstance(many, Mapping):
        # A name may be told as a value, beside one that it names.
        told = next((name for value in many.values() if (name := _told(value))), "")
        return {
            redact(str(key)): redact_value(
                value, told if told and str(key).lower() in _NAMED_BY_OTHERS else str(key), depth
            )
            for key, value in many.items()
        }
    if hasattr(many, "_asdict"):
        return redact_value(many._asdict(), "", depth)
    # Behind a name stands its value: in a header field of ASGI or gRPC, in the arguments of a command.
    values, name, written = list(many), "", []
    for value in values:
        written.append(redact_value(value, name, depth))
        name = _told(value) if isinstance(value, str | bytes) and not name else ""
    return written


def _told(value: Any) -> str:
    """Give the name that a value tells: it is one itself, or the way to a field (pydantic's `loc`) that has one."""
    if isinstance(value, str | bytes):
        text = _text(value)
        return text if is_name(text) else ""
    if isinstance(value, list | tuple):
        return next((part for part in value if isinstance(part, str) and is_name(part)), "")
    return ""


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _redacted(text: str) -> str:
    written: list[str] = []
    at = 0
    for start, end in places(text, known.places(text)):
        written += text[at:start], HIDDEN
        at = end
    return "".join([*written, text[at:]]) if written else text
