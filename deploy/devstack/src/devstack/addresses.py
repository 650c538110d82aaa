"""The addresses of this machine: by one of them Envoy names whoever reaches it over the loopback."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

_TABLE = Path("/proc/net/fib_trie")
_OWN = "/32 host LOCAL"


def own() -> list[str]:
    """This machine's IPv4 addresses, those of the loopback included; none where the kernel does not tell."""
    try:
        lines = _TABLE.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    return sorted({address.split()[-1] for address, of in pairwise(lines) if of.strip() == _OWN})
