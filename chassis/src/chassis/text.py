"""Rules for text that people give: how long, and which characters it may hold."""

import unicodedata
from typing import Final

from chassis.errors import Violation

_LINES: Final = "\n\r\t"


def check_text(field: str, value: str, most: int, *, least: int = 0, lines: bool = False) -> list[Violation]:
    """Give what is wrong with a text: its length in code points, blankness where text is needed, control characters.

    `lines` lets line breaks and tabs through. PostgreSQL cannot store NUL, nor UTF-8 a lone surrogate.
    """
    if not least <= len(value) <= most:
        return [Violation(field, f"must have {least} to {most} characters")]
    if least and not value.strip():
        return [Violation(field, "must not be blank")]
    allowed = _LINES if lines else ""
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in allowed for c in value):
        return [Violation(field, "must not hold control characters")]
    return []
