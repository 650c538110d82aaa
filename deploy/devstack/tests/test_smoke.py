import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chassis.embedded.ports import free_port
from devstack.errors import StackError
from devstack.folders import Folders
from devstack.smoke import smoke, token_for


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


def test_without_a_token_a_demo_person_signs_in_at_a_local_stack_which_may_be_down(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.make()
    with pytest.raises(StackError, match=r"Is the stack up \(make up\)\?"):
        token_for(f"http://localhost:{free_port()}", {"NEOFORGE_DATA": str(folders.data)})


def test_a_stack_elsewhere_needs_a_token_or_a_login() -> None:
    with pytest.raises(StackError, match="NEOFORGE_TOKEN, or NEOFORGE_LOGIN and NEOFORGE_PASSWORD, must say who asks"):
        token_for("https://neoforge.example", {"NEOFORGE_LOGIN": "somebody@example.test"})
    assert token_for("https://neoforge.example", {"NEOFORGE_TOKEN": "given"}) == "given"


def test_a_login_from_the_environment_goes_before_the_demo_people(tmp_path: Path) -> None:
    told = {"NEOFORGE_LOGIN": "somebody@example.test", "NEOFORGE_PASSWORD": "secret", "NEOFORGE_DATA": str(tmp_path)}
    with pytest.raises(StackError, match=r"somebody@example\.test cannot sign in"):
        token_for(f"http://localhost:{free_port()}", told)
