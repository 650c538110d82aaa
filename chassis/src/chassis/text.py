"""Rules for text that people give: how long, and which characters it may hold."""

import unicodedata
from collections.abc import Sequence
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


def check_labels(field: str, labels: Sequence[str], most: int, longest: int) -> list[Violation]:
    """Give what is wrong with labels: how many, and of each its text and whether it stands there once."""
    violations = [Violation(field, f"must be at most {most}")] if len(labels) > most else []
    for i, label in enumerate(labels):
        violations += check_text(f"{field}[{i}]", label, longest, least=1)
        if label in labels[:i]:
            violations.append(Violation(f"{field}[{i}]", "stands there twice"))
    return violations
