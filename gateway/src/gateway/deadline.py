"""How long a client waits: `Prefer: wait=SECONDS` (RFC 7240, section 4.3), the deadline of the calls behind."""

import re
from collections.abc import Iterable
from typing import Final

MARGIN_S: Final = 0.05
"""What is left of the client's patience for the answer's way back."""
_WAIT: Final = re.compile(rb'(?:^|,)\s*wait\s*=\s*"?([0-9]{1,5})"?\s*(?:;[^,]*)?(?=,|$)', re.IGNORECASE)


def preferred_wait(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Give the seconds that a client is ready to wait; None where it does not say. The first that is said counts."""
    found = _WAIT.search(b",".join(value for name, value in headers if name == b"prefer"))
    return int(found[1]) if found else None
