"""What every answer of 4xx or 5xx has."""

import httpx

from gateway.testing.edge import PUBLIC_URL


def problem_of(answer: httpx.Response) -> str:
    """Give the name of an answer's type.

    Raises:
        AssertionError: the answer is no problem as it should be.
    """
    problem = answer.json()
    is_ = {
        "type": answer.headers["Content-Type"],
        "cache": answer.headers["Cache-Control"],
        **{member: problem[member] for member in ("status", "instance", "trace_id", "request_id")},
    }
    ought = {
        "type": "application/problem+json",
        "cache": "no-store",
        "status": answer.status_code,
        "instance": answer.request.url.path,
        "trace_id": answer.headers.get("X-Trace-Id", ""),  # machines asking for health have none
        "request_id": answer.headers["X-Request-Id"],
    }
    if is_ != ought:
        raise AssertionError(f"{is_} is not {ought}")
    return str(problem["type"]).removeprefix(f"{PUBLIC_URL}/problems/")
