import json
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from chassis.embedded.ports import free_port
from devstack import signin
from devstack.errors import StackError
from devstack.folders import Folders
from devstack.signin import access_token, demo_login, demo_password, personal_token


@dataclass
class Stack:
    """What a stack answers, and what it was asked."""

    url: str = ""
    password: str = ""
    good: set[str] = field(default_factory=set)
    """Personal access tokens that have not ended."""
    asked: list[str] = field(default_factory=list)
    busy: int = 0
    """So many of the next answers are 503."""


class Handler(BaseHTTPRequestHandler):
    stack: ClassVar[Stack]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.stack.asked.append(self.path)
        if self.stack.busy:
            self.stack.busy -= 1
            self._answer(503, {})
            return
        if self.path == "/api/v1/auth/token":
            if body != {"username": "ines@example.test", "password": self.stack.password}:
                self._answer(401, {"detail": "Address or password is wrong."})
            else:
                self._answer(200, {"access_token": "a.b.c"})
        elif self.headers["Authorization"] == "Bearer a.b.c" and self.headers["Idempotency-Key"]:
            token = f"nft_{len(self.stack.asked)}"
            self.stack.good.add(token)
            self._answer(201, {"token": token, "scope": body["scope"]})

    def do_GET(self) -> None:
        token = self.headers["Authorization"].removeprefix("Bearer ")
        self._answer(200 if token in self.stack.good else 401, {})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    folders = Folders(tmp_path)
    folders.make()
    return folders


@pytest.fixture
def stack(folders: Folders) -> Iterator[Stack]:
    stack = Stack(password=demo_password(folders))
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"stack": stack})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        stack.url = f"http://127.0.0.1:{server.server_port}"
        yield stack
        server.shutdown()
        thread.join()


def test_a_demo_person_signs_in_with_the_password_of_this_stack(folders: Folders, stack: Stack) -> None:
    assert access_token(stack.url, demo_login(folders, "ines")) == "a.b.c"


def test_a_stack_that_is_busy_is_asked_again(folders: Folders, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signin, "RETRY_SECONDS", 0)
    stack.busy = 2
    assert access_token(stack.url, demo_login(folders, "ines")) == "a.b.c"
    stack.busy = 1_000
    monkeypatch.setattr(signin, "PATIENCE_SECONDS", 0)
    with pytest.raises(StackError, match=r"cannot sign in at .*: 503"):
        access_token(stack.url, demo_login(folders, "ines"))


def test_nobody_of_that_name_is_answered_with_who_there_is(folders: Folders) -> None:
    with pytest.raises(StackError, match="the demo people are ines, tomas, mara"):
        demo_login(folders, "olaf")


def test_who_has_changed_the_password_is_told_what_the_stack_answers(folders: Folders, stack: Stack) -> None:
    stack.password = "another"
    with pytest.raises(StackError, match=r"ines@example.test cannot sign in at .*: 401 Address or password is wrong"):
        access_token(stack.url, demo_login(folders, "ines"))


def test_a_stack_that_is_down_is_named(folders: Folders) -> None:
    with pytest.raises(StackError, match=r"Is the stack up \(make up\)\?"):
        access_token(f"http://127.0.0.1:{free_port()}", demo_login(folders, "ines"))


def test_a_personal_access_token_is_kept_for_its_owner_alone_until_it_ends(folders: Folders, stack: Stack) -> None:
    first = personal_token(folders, stack.url, "ines")
    asked = list(stack.asked)
    assert personal_token(folders, stack.url, "ines") == first
    assert stack.asked == asked
    assert stat.S_IMODE((folders.secrets / "personal-token-ines").stat().st_mode) == 0o600
    stack.good.clear()
    second = personal_token(folders, stack.url, "ines")
    assert second != first
    assert personal_token(folders, stack.url, "ines") == second
