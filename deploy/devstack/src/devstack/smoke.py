"""The checks of a deploy: does a running stack keep its promises, from outside."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx

from devstack.errors import StackError
from devstack.folders import Folders
from devstack.signin import AUTH, PATIENCE_SECONDS, RETRY_SECONDS, Login, demo_login

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT_SECONDS = 10
LOCAL = {"localhost", "127.0.0.1", "::1"}


class _Failed(Exception):
    pass


class _Session:
    """One visitor, and what the checks leave for those after them."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.key = f'"smoke-{uuid.uuid4()}"'
        self.project = {
            "slug": f"smoke-{uuid.uuid4().hex[:12]}",
            "name": "Smoke",
            "description": "Made by the smoke test.",
        }
        self.created: dict[str, Any] = {}
        self.path = ""
        self.etag = ""

    def ask(self, method: str, path: str, status: int, **options: Any) -> httpx.Response:
        """The answer, which must have this status."""
        answer = self._client.request(method, path, **options)
        if answer.status_code != status:
            raise _Failed(f"{method} {path} answered {answer.status_code}, not {status}: {answer.text[:300]}")
        return answer

    # --- the checks, in order -----------------------------------------------------------------------------------------

    def ready(self) -> None:
        self.ask("GET", "/ready", 200)

    def described(self) -> None:
        document = self.ask("GET", "/openapi.json", 200).json()
        _expect("/api/v1/projects" in document["paths"], "the OpenAPI document does not name /api/v1/projects")

    def measured(self) -> None:
        _expect("# TYPE " in self.ask("GET", "/metrics", 200).text, "/metrics holds no metrics")

    def refuses_strangers(self) -> None:
        _problem(self.ask("GET", "/api/v1/projects", 401, headers={"Authorization": ""}), 401)

    def creates(self) -> None:
        answer = self.ask("POST", "/api/v1/projects", 201, json=self.project, headers={"Idempotency-Key": self.key})
        self.created, self.etag = answer.json(), answer.headers.get("etag", "")
        self.path = f"/api/v1/projects/{self.created['id']}"
        location = httpx.URL(answer.headers.get("location", "")).path
        _expect(location == self.path, f"Location is {location!r}, not {self.path!r}")

    def replays(self) -> None:
        answer = self.ask("POST", "/api/v1/projects", 200, json=self.project, headers={"Idempotency-Key": self.key})
        _expect(
            answer.headers.get("idempotency-replayed") == "true", "the replay does not say Idempotency-Replayed: true"
        )
        _expect(answer.json() == self.created, "the replay has another body than the first answer")

    def refuses_another_payload(self) -> None:
        other = self.project | {"name": "Another"}
        _problem(self.ask("POST", "/api/v1/projects", 422, json=other, headers={"Idempotency-Key": self.key}), 422)

    def revalidates(self) -> None:
        self.etag = self.ask("GET", self.path, 200).headers.get("etag", "")
        _expect(self.etag.startswith('"'), f"the ETag {self.etag!r} is not strong")
        answer = self.ask("GET", self.path, 304, headers={"If-None-Match": self.etag})
        _expect(answer.headers.get("etag") == self.etag, "the 304 has another ETag than the 200")

    def changes(self) -> None:
        headers = {"If-Match": self.etag, "Idempotency-Key": f'"smoke-{uuid.uuid4()}"'}
        answer = self.ask("PATCH", self.path, 200, json={"name": "Smoke, changed"}, headers=headers)
        _expect(answer.json()["name"] == "Smoke, changed", "the change is not in the answer")
        _expect(answer.headers.get("etag") not in {None, self.etag}, "the ETag did not change")

    def refuses_a_stale_change(self) -> None:
        headers = {"If-Match": self.etag, "Idempotency-Key": f'"smoke-{uuid.uuid4()}"'}
        _problem(self.ask("PATCH", self.path, 412, json={"name": "Too late"}, headers=headers), 412)

    def lists(self) -> None:
        answer = self.ask("GET", "/api/v1/projects?page=1&page_size=5", 200)
        missing = {"items", "total", "page", "page_size", "pages"} - answer.json().keys()
        _expect(not missing, f"the list lacks {sorted(missing)}")

    def tells_limits(self) -> None:
        headers = self.ask("GET", self.path, 200).headers
        families = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "ratelimit-policy")
        missing = [name for name in families if name not in headers]
        _expect(not missing, f"the answer lacks {missing}")

    def tells_traces(self) -> None:
        headers = self.ask("GET", self.path, 200, headers={"X-Request-Id": "smoke-request"}).headers
        _expect(len(headers.get("x-trace-id", "")) == 32, "the answer has no X-Trace-Id")  # noqa: PLR2004 - hex digits
        _expect(headers.get("x-request-id") == "smoke-request", "the answer does not repeat X-Request-Id")

    def describes_problems(self) -> None:
        _problem(self.ask("GET", f"/api/v1/projects/{uuid.uuid4()}", 404), 404)
        _problem(self.ask("GET", "/no/such/path", 404), 404)

    def deletes(self) -> None:
        etag = self.ask("GET", self.path, 200).headers["etag"]
        self.ask("DELETE", self.path, 204, headers={"If-Match": etag})
        _problem(self.ask("GET", self.path, 404), 404)


def smoke(url: str, token: str) -> int:
    """Check the stack at `url`, a line per check; 0 if all hold."""
    options: dict[str, Any] = {
        "base_url": url,
        "timeout": TIMEOUT_SECONDS,
        "headers": {"Authorization": f"Bearer {token}"},
        "trust_env": _far(url),
    }
    with httpx.Client(**options) as client:
        session = _Session(client)
        checks: dict[str, Callable[[], None]] = {
            "ready": session.ready,
            "the OpenAPI document is served": session.described,
            "metrics are served": session.measured,
            "no token, no data (401)": session.refuses_strangers,
            "a project is created (201)": session.creates,
            "the same request again is a replay (200)": session.replays,
            "the same key with another payload is refused (422)": session.refuses_another_payload,
            "an ETag revalidates (304)": session.revalidates,
            "a change with the right If-Match (200)": session.changes,
            "a change with a stale If-Match is refused (412)": session.refuses_a_stale_change,
            "the list has its page fields": session.lists,
            "answers tell the rate limit": session.tells_limits,
            "answers tell trace and request": session.tells_traces,
            "errors are problem+json (404)": session.describes_problems,
            "the project is deleted (204, then 404)": session.deletes,
        }
        begun = time.monotonic()
        failures = sum(not _holds(name, check) for name, check in checks.items())
    print(f"{len(checks) - failures} of {len(checks)} checks hold, {time.monotonic() - begun:.1f} s")
    return 1 if failures else 0


def _holds(name: str, check: Callable[[], None]) -> bool:
    begun = time.monotonic()
    reason = ""
    try:
        check()
    except _Failed as failed:
        reason = str(failed)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
    print(f"  {'FAILED' if reason else 'ok':<7}{name:<54}{(time.monotonic() - begun) * 1000:6.0f} ms")
    if reason:
        print(f"         {reason}")
    return not reason


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise _Failed(otherwise)


def _problem(answer: httpx.Response, status: int) -> None:
    media_type = answer.headers.get("content-type", "")
    _expect(
        media_type.startswith("application/problem+json"), f"the {status} is {media_type}, not application/problem+json"
    )
    missing = [name for name in ("type", "title", "status", "trace_id", "request_id") if not answer.json().get(name)]
    _expect(not missing, f"the {status} problem lacks {missing}")


def token_for(url: str, environment: Mapping[str, str]) -> str:
    """An access token for the checks: the one, or of the login, that the environment has; a local stack's Ines else.

    Raises:
        StackError: there is none to be had.
    """
    if token := environment.get("NEOFORGE_TOKEN"):
        return token
    mail, password = environment.get("NEOFORGE_LOGIN"), environment.get("NEOFORGE_PASSWORD")
    if mail and password:
        return _signed_in(url, Login(mail, password))
    if httpx.URL(url).host not in LOCAL:
        raise StackError("NEOFORGE_TOKEN, or NEOFORGE_LOGIN and NEOFORGE_PASSWORD, must say who asks: see make help.")
    return _signed_in(url, demo_login(Folders.of(environment), "ines"))


def _signed_in(url: str, login: Login) -> str:
    body = {"username": login.mail, "password": login.password}
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=_far(url)) as client:
            while (answer := client.post(f"{AUTH}/token", json=body)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
                if time.monotonic() > deadline:
                    break
                time.sleep(RETRY_SECONDS)
        return str(answer.raise_for_status().json()["access_token"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
        raise StackError(f"{login.mail} cannot sign in at {url}: {error}. Is the stack up (make up)?") from error


def _far(url: str) -> bool:
    """Whether a proxy of the environment may know the way: none does to this machine."""
    return httpx.URL(url).host not in LOCAL
