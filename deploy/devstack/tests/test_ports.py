import os
import socket
from pathlib import Path

import pytest

from devstack import ports
from devstack.errors import StackError
from devstack.ports import Ports, addresses, holder, is_free


def test_one_base_port_moves_everything() -> None:
    moved = Ports(9000)
    assert (moved.edge, moved.gateway, moved.postgresql, moved.redis) == (9000, 9001, 9003, 9004)
    assert (moved.otlp, moved.trace_page) == (9007, 9008)
    assert (moved.envoy_admin, moved.service(0)) == (9009, 9010)
    assert (moved.service_operations(4), moved.worker_operations(4)) == (9024, 9034)
    assert moved.edge_tls == 9040


@pytest.mark.parametrize("base", [0, -1, 65_530, 70_000])
def test_a_base_port_that_leaves_no_room_is_refused(base: int) -> None:
    with pytest.raises(StackError, match=f"port {base} does not serve"):
        Ports(base)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_taken_port_names_the_process_and_command_of_its_holder(address: str) -> None:
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        found = holder(port)
    words = Path("/proc/self/cmdline").read_text().split("\0")
    assert f"process {os.getpid()} ({words[0]}" in found
    assert is_free(port)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_for_datagrams_is_taken(address: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((address, 0))
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert f"process {os.getpid()} (" in holder(port)


def test_a_machine_without_ipv6_is_reached_by_ipv4_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert addresses()[0] == "127.0.0.1"
    monkeypatch.setattr(ports, "HOST_6", "2001:db8::1")  # an address that this machine has not
    assert addresses() == ["127.0.0.1"]


def test_a_port_that_only_waits_for_late_packets_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    assert is_free(port)


def test_a_holder_that_cannot_be_seen_is_told_by_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_listeners", lambda _: {"socket:[0]": "1234"})
    assert holder(1) == "a process of user 1234"
    monkeypatch.setattr(ports, "_listeners", lambda _: {})
    assert holder(80).startswith("the system")
    assert holder(8080) == "a process that this user cannot see"
