"""Ports for programs that have to be told one before they start, and cannot listen on port 0.

A port that is free now may be another's a moment later, so a process leases a block of ports before it hands any out:
a socket of the abstract namespace (unix(7)) bears the block's name until the process ends, however it ends. All blocks
lie below the ports from which Linux takes those of outgoing connections (ip_local_port_range, from 32,768).
"""

import errno
import random
import socket
from collections.abc import Iterator

BLOCK = 64
FIRST, LAST = 20_032, 32_704


def free_port() -> int:
    """A TCP port of loopback that is no other process's that asked here, nor anybody's a moment ago."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of `count` such ports in a row (at most 64); raises OSError if there are none."""
    return _LEASED.take(count)


class _LeasedPorts:
    def __init__(self) -> None:
        self._rest = range(0)

    def take(self, count: int) -> int:
        for ports in self._rows(count):
            self._rest = range(ports.stop, self._rest.stop)
            if all(_is_free(port) for port in ports):
                return ports.start
        raise OSError(errno.EADDRINUSE, f"There are no {count} free ports in a row from {FIRST} to {LAST}.")

    def _rows(self, count: int) -> Iterator[range]:
        """Rows of leased ports: what is left of the last block, then blocks that are leased for it."""
        blocks = list(range(FIRST, LAST, BLOCK))
        random.shuffle(blocks)
        while True:
            while len(self._rest) >= count:
                yield self._rest[:count]
            block = next((block for block in blocks if self._lease(block)), None)
            if block is None:
                return
            self._rest = range(block, block + BLOCK)

    def _lease(self, block: int) -> bool:
        lease = socket.socket(socket.AF_UNIX)
        try:
            lease.bind(f"\0neoforge-ports-{block}")
        except OSError:
            lease.close()
            return False
        lease.detach()  # it stays open as long as the process, which closes it however it ends
        return True


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


_LEASED = _LeasedPorts()
