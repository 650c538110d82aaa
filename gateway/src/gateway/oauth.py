"""Problems as clients of OAuth 2.0 read them (RFC 6749, section 5.2): by `error` and `error_description`.

A client that finds no `error` in an answer may take it for a token.
"""

import re
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from starlette.types import Scope

from gateway.body import is_form
from gateway.problem_types import TYPES
from gateway.problems import Problem

_INVALID_GRANT: Final = frozenset(TYPES[reason].name for reason in ("INVALID_CREDENTIALS", "INVALID_REFRESH_TOKEN"))
_BY_STATUS: Final = {
    HTTPStatus.TOO_MANY_REQUESTS: "temporarily_unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE: "temporarily_unavailable",
    HTTPStatus.GATEWAY_TIMEOUT: "temporarily_unavailable",
    HTTPStatus.INTERNAL_SERVER_ERROR: "server_error",
}
"""Errors of section 4.1.2.1. Of 429 no registered error speaks: `slow_down` (RFC 8628) is about a grant of devices."""
_BAD_REQUESTS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY})
_UNSAYABLE: Final = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")
"""What an `error_description` must not hold."""


def tell(problem: Problem, scope: Scope) -> None:
    """Give a problem its `error` and `error_description`; a form is answered with the status of the RFC, 400.

    JSON is no request of OAuth 2.0 and keeps the status of the API, as does the problem of a second factor, which is
    no error of the RFC.
    """
    own = problem.error is not None
    problem.error = problem.error or _error(problem)
    problem.members = {**problem.members, "error_description": _UNSAYABLE.sub("'", problem.detail)}
    if is_form(scope) and not own and problem.type.status in _BAD_REQUESTS:
        problem.type = replace(problem.type, status=HTTPStatus.BAD_REQUEST)
        problem.headers = [(name, value) for name, value in problem.headers if name != b"www-authenticate"]


def _error(problem: Problem) -> str:
    if problem.type.name in _INVALID_GRANT:
        return "invalid_grant"
    if any(error.pointer == "/grant_type" for error in problem.errors):
        return "unsupported_grant_type"
    return _BY_STATUS.get(problem.type.status, "invalid_request")
