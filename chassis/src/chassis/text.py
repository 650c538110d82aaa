"""Rules for text that people give: how long, and which characters it may hold."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

import idna

from chassis.errors import Violation

_LINES: Final = "\n\r\t"
_CONTROLS: Final = {"Cc", "Cs"}
_BREAKS: Final = {"Zl", "Zp"}
_JOINERS: Final = "\u200c\u200d"
_MARKS: Final = "\u200e\u200f\u061c"
"""Direction marks, which people who write from right to left have on their keyboards; elsewhere nobody sees them."""
_HIDDEN: Final = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e00ff]"
)
"""What turns other text around or cannot be seen, so that two texts look alike: embeddings, overrides and isolates (UAX
9), and what Unicode has ignored where it cannot be shown (Default_Ignorable_Code_Point), variation selectors aside."""
_FLAG: Final = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
"""Flags of regions (UTS 51, ED-14a), the only use that the invisible tags still have."""
_ON_EMOJI: Final = {"\ufe0f", *map(chr, range(0x1F3FB, 0x1F400))}
_EMOJI: Final = {"So", "Sm"}


def check_text(field: str, value: str, most: int, *, least: int = 0, lines: bool = False) -> list[Violation]:
    """Give what is wrong with a text: its length in code points, blankness where text is needed, control characters.

    `lines` lets line breaks and tabs through. Without it the text is one that others read at a glance, a name or a
    title: then nothing may hide in it or turn it around either. PostgreSQL cannot store NUL, nor UTF-8 a lone
    surrogate.
    """
    if not least <= len(value) <= most:
        return [Violation(field, f"must have {least} to {most} characters")]
    if least and not value.strip():
        return [Violation(field, "must not be blank")]
    allowed = _LINES if lines else ""
    if any(unicodedata.category(c) in _CONTROLS and c not in allowed for c in value):
        return [Violation(field, "must not hold control characters")]
    if not lines and (hidden := _hidden(value)):
        return [Violation(field, f"must not hold the invisible character U+{ord(hidden):04X}")]
    return []


def _hidden(value: str) -> str:
    """Give the first character of a line that nobody sees and that has no business there; empty when there is none."""
    if value.isascii():
        return ""
    value = _FLAG.sub("\U0001f3f4", value)
    right_to_left = any(unicodedata.bidirectional(c) in {"R", "AL"} and c not in _MARKS for c in value)
    for i, c in enumerate(value):
        if (
            _HIDDEN.match(c)
            or unicodedata.category(c) in _BREAKS
            or (c in _MARKS and not right_to_left)
            or (c in _JOINERS and not _joins(value, i))
        ):
            return c
    return ""


def _joins(value: str, i: int) -> bool:
    """Whether a joiner shapes what is seen: in an emoji (UTS 51), or among letters of a script that joins them.

    For scripts the rule is that of domain names (RFC 5892, appendix A.1 and A.2).
    """
    if value[i] == "\u200d" and i + 1 < len(value) and unicodedata.category(value[i + 1]) in _EMOJI:
        before = value[:i].rstrip("".join(_ON_EMOJI))
        if before and unicodedata.category(before[-1]) in _EMOJI:
            return True
    try:
        return idna.valid_contextj(value, i)
    except ValueError:  # beside a character that Unicode has not assigned
        return False


def check_labels(field: str, labels: Sequence[str], most: int, longest: int) -> list[Violation]:
    """Give what is wrong with labels: how many, and of each its text and whether it stands there once."""
    violations = [Violation(field, f"must be at most {most}")] if len(labels) > most else []
    for i, label in enumerate(labels):
        violations += check_text(f"{field}[{i}]", label, longest, least=1)
        if label in labels[:i]:
            violations.append(Violation(f"{field}[{i}]", "stands there twice"))
    return violations
