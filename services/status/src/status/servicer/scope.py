"""To whom and to what a list's cursors are bound."""

from typing import Any

from chassis import call as calls


def scope_of(name: str, *wanted: Any) -> str:
    """Give the scope of a list's cursors: the list, who reads it, and its filters."""
    return f"{name} {calls.current().caller.subject} {wanted!r}"
