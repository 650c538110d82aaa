"""The proxy in front of the slow database of the recordings does what it says."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from tests.ops.slowway import HOST, SlowWay, slow_way

DELAY_S = 0.3


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says what it hears."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    while heard := connection.recv(65_536):
                        connection.sendall(heard)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.fixture
def way(echo: int) -> Iterator[SlowWay]:
    with slow_way(echo) as way:
        yield way


def heard(connection: socket.socket, count: int) -> bytes:
    text = b""
    while len(text) < count and (more := connection.recv(65_536)):
        text += more
    return text


def test_each_answer_takes_longer_by_the_delay_and_none_is_lost_or_overtakes_another(way: SlowWay) -> None:
    with socket.create_connection((HOST, way.port)) as asking:
        asking.sendall(b"soon")
        assert heard(asking, 4) == b"soon"
        way.delay_s = DELAY_S
        began = time.monotonic()
        asking.sendall(b"late")
        assert heard(asking, 4) == b"late"
        assert time.monotonic() - began >= DELAY_S
        long = bytes(range(256)) * 2_000
        sender = threading.Thread(target=asking.sendall, args=(long,))
        sender.start()
        way.delay_s = 0
        assert heard(asking, len(long)) == long
        sender.join()


def test_an_end_on_one_side_is_an_end_on_the_other(way: SlowWay) -> None:
    with socket.create_connection((HOST, way.port)) as asking:
        asking.sendall(b"bye")
        assert heard(asking, 3) == b"bye"
        asking.shutdown(socket.SHUT_WR)
        assert heard(asking, 1) == b""
