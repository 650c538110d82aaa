import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from devstack.demo import PROJECTS, seed
from devstack.errors import StackError


class Gateway(BaseHTTPRequestHandler):
    """Remembers what it is sent, and answers with one status."""

    seen: ClassVar[list[tuple[str, str, Any]]]
    status: ClassVar[int]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.headers["Authorization"], self.headers["Idempotency-Key"], body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[tuple[type[Gateway], str]]:
    handler = type("Handler", (Gateway,), {"seen": [], "status": 201})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_project_is_made_once_by_its_owner_under_a_key_of_its_own(
    gateway: tuple[type[Gateway], str], tmp_path: Path
) -> None:
    handler, url = gateway
    seed(tmp_path / "edition", url, lambda person: f"token-of-{person}")
    keys = [key for _, key, _ in handler.seen]
    assert len(keys) == len(set(keys)) == sum(map(len, PROJECTS.values()))
    assert {"Bearer token-of-ines", "Bearer token-of-tomas", "Bearer token-of-mara"} == {
        who for who, _, _ in handler.seen
    }
    seed(tmp_path / "edition", url, lambda person: f"token-of-{person}")
    assert [key for _, key, _ in handler.seen] == keys


def test_a_start_that_was_broken_off_repeats_the_same_requests(
    gateway: tuple[type[Gateway], str], tmp_path: Path
) -> None:
    handler, url = gateway
    seed(tmp_path / "edition", url, str)
    (tmp_path / "edition").unlink()
    handler.status = 200
    seed(tmp_path / "edition", url, str)
    half = len(handler.seen) // 2
    assert handler.seen[:half] == handler.seen[half:]


def test_a_project_of_that_name_that_is_there_already_is_left_alone(
    gateway: tuple[type[Gateway], str], tmp_path: Path
) -> None:
    handler, url = gateway
    handler.status = 409
    seed(tmp_path / "edition", url, str)
    assert (tmp_path / "edition").exists()


@pytest.mark.parametrize("status", [401, 500])
def test_a_refused_project_is_named(gateway: tuple[type[Gateway], str], tmp_path: Path, status: int) -> None:
    handler, url = gateway
    handler.status = status
    with pytest.raises(StackError, match=f"atlas was refused with {status}"):
        seed(tmp_path / "edition", url, str)
    assert not (tmp_path / "edition").exists()
