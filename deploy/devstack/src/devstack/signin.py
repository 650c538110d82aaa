"""Signing in as a demo person, through the API as anybody does."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from http.client import CREATED, OK, SERVICE_UNAVAILABLE, UNAUTHORIZED
from typing import TYPE_CHECKING, Any

from chassis.embedded.private_file import write_private
from devstack.errors import StackError
from devstack.loopback import request
from devstack.people import PEOPLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devstack.folders import Folders

DEMO_PASSWORD = "demo-password"  # noqa: S105 - the name of the file that holds it
AUTH = "/api/v1/auth"
DAYS = 30
PATIENCE_SECONDS = 20
RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Login:
    """With what somebody signs in."""

    mail: str
    password: str = field(repr=False)


def demo_password(folders: Folders) -> str:
    """The password of all demo people, made for this stack."""
    return folders.secret(DEMO_PASSWORD)


def demo_login(folders: Folders, name: str) -> Login:
    """A demo person's login; raises StackError for anybody else."""
    person = PEOPLE.get(name)
    if person is None:
        raise StackError(f"Nobody is called {name}; the demo people are {', '.join(PEOPLE)}.")
    return Login(person.mail, demo_password(folders))


def access_token(url: str, login: Login) -> str:
    """An access token of a new session, good for five minutes; raises StackError if the stack at `url` gives none."""
    return str(new_session(url, login)["access_token"])


def new_session(url: str, login: Login) -> dict[str, Any]:
    """The tokens of a new session; raises StackError if the stack at `url` gives none."""
    status, answer = _asked(f"{url}{AUTH}/token", {"username": login.mail, "password": login.password})
    if status != OK:
        raise StackError(f"{login.mail} cannot sign in at {url}: {_reason(status, answer)}")
    return dict(answer)


def refreshed(url: str, refresh_token: str) -> dict[str, Any]:
    """The next tokens of a session; raises StackError if the stack at `url` gives none."""
    status, answer = _asked(f"{url}{AUTH}/refresh", {"refresh_token": refresh_token})
    if status != OK:
        raise StackError(f"{url} does not refresh the session: {_reason(status, answer)}")
    return dict(answer)


def personal_token(folders: Folders, url: str, name: str) -> str:
    """A demo person's personal access token, good for 30 days: the one that is kept, or a new one if that is over.

    Raises:
        StackError: the stack at `url` gives none.
    """
    kept = folders.secrets / f"personal-token-{name}"
    if kept.exists():
        token = kept.read_text()
        status, _ = request("GET", f"{url}/api/v1/projects", headers=bearer(token))
        if status != UNAUTHORIZED:
            return token
    token = new_personal_token(url, access_token(url, demo_login(folders, name)))
    write_private(kept, token)
    return token


def new_personal_token(url: str, token: str) -> str:
    """A personal access token of whoever has this access token; raises StackError if the stack at `url` gives none."""
    headers = {**bearer(token), "Idempotency-Key": f'"{uuid.uuid4()}"'}
    body = {"name": "make personal-token", "scope": "write", "days": DAYS}
    status, answer = _asked(f"{url}{AUTH}/access-tokens", body, headers)
    if status != CREATED:
        raise StackError(f"{url} gives no personal access token: {_reason(status, answer)}")
    return str(answer["token"])


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def _asked(url: str, body: object, headers: Mapping[str, str] | None = None) -> tuple[int | None, Any]:
    """The answer to a POST. Nobody signs in while Redis is slow to answer, as on a busy machine: that is waited for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        status, answer = request("POST", url, body=body, headers=headers)
        if status != SERVICE_UNAVAILABLE or time.monotonic() > deadline:
            return status, answer
        time.sleep(RETRY_SECONDS)


def _reason(status: int | None, answer: Any) -> str:
    if status is None:
        return "nothing answers. Is the stack up (make up)?"
    return f"{status} {answer.get('detail', '') if isinstance(answer, dict) else ''}".rstrip()
