import socket
import subprocess
import sys

from chassis.embedded.ports import BLOCK, FIRST, LAST, free_port, free_ports

ASKS = "from chassis.embedded.ports import free_port; print(*[free_port() for _ in range(100)], flush=True); input()"


def test_processes_that_ask_at_once_are_given_different_ports() -> None:
    asking = [
        subprocess.Popen([sys.executable, "-c", ASKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    given = []
    for process in asking:
        assert process.stdout is not None
        given += process.stdout.readline().split()
    for process in asking:
        process.communicate("\n")
    assert len(given) == len(set(given)) == 300


def test_ports_in_a_row_are_all_free_and_nobody_elses() -> None:
    first, single = free_ports(BLOCK), free_port()
    assert FIRST <= first <= LAST
    assert single not in range(first, first + BLOCK)
    for port in range(first, first + BLOCK):
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_somebody_else_holds_is_passed_over() -> None:
    ahead = free_port() + 1
    with socket.create_server(("127.0.0.1", ahead)):
        assert ahead not in [free_port() for _ in range(BLOCK)]
