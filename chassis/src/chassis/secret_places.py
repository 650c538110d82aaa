"""Finds where secrets stand in a text: behind a name that tells of one, by their form, in the login of a URL.

Each place is found by itself, whatever stands before it and whichever other places reach into it: a text that
a stranger has begun with half a quotation cannot carry a secret past another one's end. What a place holds is given
as where it begins and ends; overlapping ones are joined.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

Place = tuple[int, int]

_START: Final = r"(?:(?<![a-z])|(?<=\\[nrt]))"
"""Where a word begins: also behind a line's end that is written as an escape."""
_STRICT: Final = (
    rf"passw|pswd|passphrase|passcode|{_START}(?:(?:pass|pin|pw)(?![a-z])|otp)|pwd|secret|token|authorization"
    r"|authentication|cookie|credential|jwt|totp|csrf|verifier|api.?key|private.?key|signing.?key|seal.?key|session.?key"
    r"|access.?key|(?:verification|recovery|backup|confirmation|device|user|auth|authorization|security|login|sms|mfa"
    r"|2fa|one.?time|reset|invite|invitation).?code"
    r"|database.?url|redis.?url|smtp.?url|broker.?url|dsn|__(?:host|secure)-"
)
_UNSURE: Final = (
    r"(?:(?<![\w.\-])|(?<=\\[nrt])|(?<=--))codes?(?![\w\-.\[])"
    rf"|sess(?:ion)?(?:[_\-]?id)?(?![a-z])|{_START}sid(?![a-z])"
)
_NAME: Final = re.compile(rf"(?P<strict>{_STRICT})|(?P<unsure>{_UNSURE})", re.IGNORECASE)
_ALONE: Final = re.compile(rf"[\w.\-\[\]]{{0,64}}(?:{_STRICT}|{_UNSURE})[\w.\-\[\]]{{0,64}}", re.IGNORECASE)
_REST: Final = re.compile(r"[\w.\-\[\]]{0,64}")
"""What may belong to a name behind the part by which it is known."""

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OPEN: Final = re.compile(
    # What `code` and `session` are as well: a status of HTTP (RFC 9110) or gRPC, the reason of an error, an id, a word.
    r"\s{0,8}\\{0,16}[\"']?(?:-?\d{1,3}|None|null|OK|CANCELLED|UNKNOWN|ABORTED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE"
    r"|UNAUTHENTICATED|FORBIDDEN|<?(?:grpc\.)?StatusCode\.[A-Z_]+|[A-Z]+(?:_[A-Z]+)+|[a-z]{1,5}|[a-z]+(?:[_.][a-z]+)+"
    rf"|{_UUID})(?=\Z|[\s\"',;:(){{}}\[\]&<>|\\])"
)

_QUOTE: Final = r"\\{0,16}(?:\"{1,4}|'{1,4})"
_SPACE: Final = r"\s{0,40}"
_QUOTED: Final = re.compile(
    # In JSON and in what Python prints, the name stands in quotes and so does the value (in pairs, behind a comma):
    # there its end is known. So it is in SQL, and where a name is itself a value: name="password" value="...".
    rf"(?:{_QUOTE}[\s,]{{1,8}}(?:{_QUOTE})?value(?:{_QUOTE})?{_SPACE}[:=]{_SPACE}"
    rf"|{_QUOTE}{_SPACE}(?:=>|[:=,]){_SPACE}[bBuUrRfF]{{0,2}}|\s{{1,8}})(?P<quote>{_QUOTE})",
    re.IGNORECASE,
)
_KEY: Final = re.compile(r"\s{0,40}[:=]")
"""Behind what is in quotes: it was no value, but the next name."""
_BARE: Final = re.compile(rf"(?:{_QUOTE})?{_SPACE}(?P<mark>[:=>,]|[=-]>)[\s=>]{{0,40}}")
"""Elsewhere a quote may be part of the value, and so may all that comes before the end of the line."""
_OPTION: Final = re.compile(r"\s{1,8}")
_DASHES: Final = re.compile(r"--[\w\-]*\Z")
_BLOCK: Final = re.compile(rf"(?:{_QUOTE})?{_SPACE}:[ \t]*[|>][+\-\d]{{0,2}}[ \t]*(?P<hidden>(?:\r?\n[ \t]+[^\r\n]*)+)")
"""A value of several lines in YAML."""
_TAG: Final = re.compile(r"(?:\s+[\w.:\-]{1,64}\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'))+\s*>\s{0,40}")
"""What may stand between the name and the content of an element of XML."""
_PART: Final = re.compile(
    rf"{_QUOTE}[^\r\n]{{0,200}}?(?:\r?\n[\w\-]{{1,64}}:[^\r\n]{{0,200}}){{0,8}}"
    r"(?:\r?\n\r?\n|(?:\\+r)?\\+n(?:\\+r)?\\+n)"
)
"""The field of a form in parts (RFC 7578) ends at the next boundary."""
_BOUNDARY: Final = re.compile(r"\r?\n--|\\+r\\+n--|\\+n--")
_LINE_END: Final = re.compile(r"(?:(?<![;\\])|(?!\r?\n[ \t]))[\r\n]")
_WORD_END: Final = re.compile(r"\s")
_BEHIND: Final = 66
_LONGEST_OPEN: Final = 80
_SEVERAL: Final = frozenset("[({|-")
"""By one of these begins what may hold spaces."""

_SCHEME: Final = re.compile(r"\b(?:bearer|basic|digest|negotiate|dpop)[\s+]+", re.IGNORECASE)
_SCHEME_END: Final = re.compile(r"[\s\"',;]|\\(?!u[0-9a-f]{4}|x[0-9a-f]{2})", re.IGNORECASE)
"""A letter that is written as an escape is one like the others: it may be unseen in the middle of a name."""
_URL: Final = re.compile(r"[a-z][a-z0-9+.\-]{0,30}://\S*", re.IGNORECASE)
_LOGIN: Final = re.compile(r"://(?:[^\s:/@\"']*:(?P<password>)|(?P<token>[^\s:/@\"']{16,})@)")
"""Where a password begins, which may hold what separates the parts of a URL; or a token in the place of a name."""
_ELEMENT: Final = re.compile(
    # A name that is told as one by an attribute: of what else the element holds, any part may be its value.
    rf"<(?P<hidden>[^<>]{{0,400}}?\b(?:name|key|id|field)\s{{0,4}}=\s{{0,4}}{_QUOTE}[\w.\-\[\]]{{0,64}}"
    rf"(?:{_STRICT}|{_UNSURE})"
    rf"[^<>]{{0,400}}>[^\r\n]*)",
    re.IGNORECASE,
)
_JUDGED: Final = re.compile(r"input_value=(?P<hidden>[^\r\n]*(?=, input_type=)|[^\r\n]*)")
_REFUSED: Final = re.compile(rf"{_QUOTE}loc{_QUOTE}[\s\S]{{0,2000}}?{_QUOTE}input{_QUOTE}\s*:\s*(?P<hidden>[^\r\n]+)")
"""What pydantic says of a bad value: the value itself, or the middle cut out of all that came with it."""
_FORMS: Final = re.compile(
    r"(?P<hidden>(?:nf[rt]_|whsec_)[A-Za-z0-9_\-+/=]+"  # refresh tokens, personal access tokens, secrets of webhooks
    r"|(?<![A-Za-z])eyJ[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]*){1,4}"  # JWTs (RFC 7519): a header that begins with {"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))",
    re.DOTALL,
)
_SIGNS: Final = (
    *(
        "pass",
        "pswd",
        "pwd",
        "pw",
        "pin",
        "secret",
        "token",
        "auth",
        "cookie",
        "credential",
        "jwt",
        "otp",
        "csrf",
        "__",
    ),
    *("key", "code", "url", "dsn", "verifier", "sess", "sid", "bearer", "basic", "digest", "negotiate", "dpop", "://"),
    *("eyj", "nfr_", "nft_", "whsec_", "private", "input"),
)
"""One of these stands, in lower case, in whatever the expressions above find: most lines have none and cost little."""


def places(text: str, known: Sequence[Place] = ()) -> list[Place]:
    """Give where secrets stand in a text, in order and apart, together with those places that are known already.

    A secret that is known by its value may be the name of another: neither hides what the other one tells.
    """
    found = list(known)
    lowered = text.lower()
    if any(sign in lowered for sign in _SIGNS):
        patterns = (_FORMS, _JUDGED, _REFUSED, _ELEMENT)
        found += [match.span("hidden") for pattern in patterns for match in pattern.finditer(text)]
        found += _logins(text)
        found += _credentials(text)
        found += _Named(text).places()
    joined: list[Place] = []
    for start, end in sorted(place for place in found if place[0] < place[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def is_name(text: str) -> bool:
    """Say whether a text is nothing but a name that may tell of a secret."""
    return bool(_ALONE.fullmatch(text))


def tells(name: str, value: object) -> bool:
    """Say whether a value of this name is to be hidden."""
    found = _NAME.search(name)
    while found is not None and not found["strict"]:
        if not _is_open(str(value)):
            return True
        found = _NAME.search(name, found.end())
    return found is not None


def _is_open(value: str) -> bool:
    found = _OPEN.match(value)
    return found is not None and not value[found.end() :].strip("\"'\\ ")


def _credentials(text: str) -> Iterator[Place]:
    """Find what stands behind the scheme of an `Authorization` (RFC 9110, section 11.4)."""
    end = -1
    for scheme in _SCHEME.finditer(text):
        if scheme.end() > end:
            end = _end(_SCHEME_END, text, scheme.end())
        yield scheme.end(), end


def _logins(text: str) -> Iterator[Place]:
    for url in _URL.finditer(text):
        last = text.rfind("@", *url.span())
        for login in _LOGIN.finditer(text, url.start(), last + 1):
            if login["token"] is None:
                yield login.end(), last
                break
            yield login.span("token")


class _Named:
    """The values behind the names in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        # Names that stand in one line, block or part all have the same end.
        self._line_end = self._block_end = self._part_end = -1

    def places(self) -> Iterator[Place]:
        covered_from = len(self._text)
        for name in _NAME.finditer(self._text):
            if name.start() >= covered_from:
                return
            rest = _REST.match(self._text, name.end())
            for place in self._values(name, rest.end() if rest else name.end()):
                if place[1] == len(self._text):
                    covered_from = min(covered_from, place[0])
                yield place

    def _values(self, name: re.Match[str], at: int) -> Iterator[Place]:
        text, sure = self._text, name["strict"] is not None
        if quoted := _QUOTED.match(text, at):
            start, end = quoted.end(), self._quote_end(quoted)
            if sure or not self._is_open(start, end):
                yield start, end
        elif bare := _BARE.match(text, at) or _TAG.match(text, at) or self._option(name, at):
            start = bare.end()
            word_end = _end(_WORD_END, text, start)
            if sure or (text[start : start + 1] in _SEVERAL and not self._is_open(start, word_end)):
                yield start, self._end_of_line(start)
            elif "," not in bare[0] and not self._is_open(start, word_end):
                yield start, word_end
        if at > self._block_end and (block := _BLOCK.match(text, at)):
            self._block_end = block.end()
            yield block.span("hidden")
        if part := _PART.match(text, at):
            start, end = part.end(), self._end_of_part(part.end())
            if sure or not self._is_open(start, end):
                yield start, end

    def _is_open(self, start: int, end: int) -> bool:
        return _OPEN.match(self._text[start : min(end + 1, start + _LONGEST_OPEN)]) is not None

    def _option(self, name: re.Match[str], at: int) -> re.Match[str] | None:
        """Find the space behind the option of a command."""
        dashed = _DASHES.search(self._text, max(0, name.start() - _BEHIND), name.start())
        return _OPTION.match(self._text, at) if dashed else None

    def _quote_end(self, quoted: re.Match[str]) -> int:
        end = _closing(quoted["quote"]).search(self._text, quoted.end())
        if end is None:
            return len(self._text)
        return self._end_of_line(end.end()) if _KEY.match(self._text, end.end()) else end.end() - len(quoted["quote"])

    def _end_of_line(self, at: int) -> int:
        if at > self._line_end:
            # A header field and a command may go on in the next line.
            self._line_end = _end(_LINE_END, self._text, at)
        return self._line_end

    def _end_of_part(self, at: int) -> int:
        if at > self._part_end:
            self._part_end = _end(_BOUNDARY, self._text, at)
        return self._part_end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.search(text, at)
    return found.start() if found else len(text)


@lru_cache(maxsize=256)
def _closing(quote: str) -> re.Pattern[str]:
    """Give what ends a value in such quotes, the last of an odd number: SQL and CSV write one of its own twice."""
    one = re.escape(quote)
    return re.compile(rf"(?<!\\)(?<!{one})(?:{one}{one})*{one}(?!{one})")
