"""Every part's port, counted from one base port, and who holds one that is taken."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devstack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "127.0.0.1"
HOST_6 = "::1"
DEFAULT = 8080
SPAN = 41
LISTENING = {"tcp": "0A", "udp": "07"}
"""TCP_LISTEN and TCP_CLOSE, in which unconnected UDP is (include/net/tcp_states.h), as /proc/net writes them."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one stack. Services count from +10, their operations ports from +20, their workers' from +30."""

    base: int

    def __post_init__(self) -> None:
        if not 1 <= self.base <= 65536 - SPAN:
            raise StackError(f"The port {self.base} does not serve: the stack takes {SPAN} from it, all below 65536.")

    @property
    def edge(self) -> int:
        """Envoy, where people reach the stack."""
        return self.base

    @property
    def gateway(self) -> int:
        """The gateway's HTTP."""
        return self.base + 1

    @property
    def postgresql(self) -> int:
        """The database server."""
        return self.base + 3

    @property
    def redis(self) -> int:
        """The server for limits and queues."""
        return self.base + 4

    @property
    def mail(self) -> int:
        """The mail catcher's SMTP."""
        return self.base + 5

    @property
    def mail_page(self) -> int:
        """The page that shows what it caught."""
        return self.base + 6

    @property
    def otlp(self) -> int:
        """Where traces are sent."""
        return self.base + 7

    @property
    def trace_page(self) -> int:
        """The page that shows them."""
        return self.base + 8

    @property
    def envoy_admin(self) -> int:
        """Envoy's administration."""
        return self.base + 9

    def service(self, offset: int) -> int:
        """A service's gRPC port."""
        return self.base + 10 + offset

    def service_operations(self, offset: int) -> int:
        """A service's HTTP port for metrics and readiness."""
        return self.base + 20 + offset

    def worker_operations(self, offset: int) -> int:
        """The same of a service's worker."""
        return self.base + 30 + offset

    @property
    def edge_tls(self) -> int:
        """Envoy over TLS: HTTP/1.1 and HTTP/2 by TCP, HTTP/3 by UDP."""
        return self.base + 40

    def by_part(self, services: Mapping[str, int]) -> dict[str, int]:
        """Every port that a stack of these services (name and offset) takes, by the part that holds it."""
        named = {
            "Envoy": self.edge,
            "Envoy over TLS": self.edge_tls,
            "Envoy's administration": self.envoy_admin,
            "the gateway": self.gateway,
            "PostgreSQL": self.postgresql,
            "Redis": self.redis,
            "the mail catcher": self.mail,
            "the mail catcher's page": self.mail_page,
            "the receiver of traces": self.otlp,
            "the trace page": self.trace_page,
        }
        for name, offset in services.items():
            named[name] = self.service(offset)
            named[f"{name}'s metrics"] = self.service_operations(offset)
            named[f"{name}'s worker's metrics"] = self.worker_operations(offset)
        return named


def addresses() -> list[str]:
    """The addresses that are `localhost` on this machine: of IPv4, and of IPv6 where there is any."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((HOST_6, 0))
    except OSError:
        return [HOST]
    return [HOST, HOST_6]


def is_free(port: int) -> bool:
    """Whether a part could take `port` of loopback now, and nobody else would answer for it as `localhost`."""
    families = ((socket.AF_INET, HOST), (socket.AF_INET6, HOST_6))
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    return all(_is_free(family, kind, address, port) for family, address in families for kind in kinds)


def _is_free(family: socket.AddressFamily, kind: socket.SocketKind, address: str, port: int) -> bool:
    try:
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            if kind == socket.SOCK_STREAM:
                probe.listen()
    except OSError as error:
        # Anything else means that there is no such address here, as on a machine without IPv6.
        return error.errno not in {errno.EADDRINUSE, errno.EACCES}
    return True


def holder(port: int) -> str:
    """Who listens on `port`: process and command where this user may see them, else the user."""
    sockets = _listeners(port)
    for folder in Path("/proc").glob("[0-9]*"):
        if not sockets.keys().isdisjoint(_open_files(folder)):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            return f"process {folder.name} ({command[:160]})"
    if sockets:
        return f"a process of user {next(iter(sockets.values()))}"
    if port < 1024:  # noqa: PLR2004 - the privileged ports (ip(7))
        return "the system: ports below 1024 are for root"
    return "a process that this user cannot see"


def _open_files(process: Path) -> set[str]:
    """What the descriptors of a process stand for; nothing if it is another user's, or has ended."""
    found = set()
    with suppress(OSError):
        for link in (process / "fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                found.add(str(link.readlink()))
    return found


def _listeners(port: int) -> dict[str, str]:
    """Sockets that are reached at `port`, as links of /proc/PID/fd read, with the number of the user who made each."""
    found = {}
    for protocol, state in LISTENING.items():
        for table in (Path("/proc/net", protocol), Path("/proc/net", f"{protocol}6")):
            for row in table.read_text().splitlines()[1:] if table.exists() else ():
                fields = row.split()
                if fields[3] == state and int(fields[1].rpartition(":")[2], 16) == port:
                    found[f"socket:[{fields[9]}]"] = fields[7]
    return found
