import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chassis.embedded.ports import free_port
from devstack.errors import StackError
from devstack.smoke import smoke


class Broken(BaseHTTPRequestHandler):
    """A stack that is up and keeps no promise."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - names that http.server calls

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def broken() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_each_broken_promise_is_a_line_with_its_reason(broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke(broken, "token") == 1
    said = capsys.readouterr().out
    assert "ok     ready" in said
    assert "FAILED no token, no data (401)" in said
    assert "GET /api/v1/projects answered 200, not 401" in said
    assert "FAILED metrics are served" in said
    assert said.splitlines()[-1].startswith("1 of 15 checks hold")


def test_a_stack_that_is_down_fails_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke(f"http://127.0.0.1:{free_port()}", "token") == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 of 15 checks hold")


def test_without_a_token_a_local_stack_is_asked_for_one_and_may_be_down() -> None:
    with pytest.raises(StackError, match=r"Is the stack up \(make up\)\?"):
        smoke(f"http://localhost:{free_port()}", None)


def test_a_stack_elsewhere_needs_a_token() -> None:
    with pytest.raises(StackError, match="NEOFORGE_TOKEN must hold an access token"):
        smoke("https://neoforge.example", None)
