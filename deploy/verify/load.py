"""Reads and writes through the edge, one after another in several threads, until it is told to end; then the figures.

    python deploy/verify/load.py URL MAIL PASSWORD

Ends at SIGTERM or SIGINT; exit status 1 if a request failed.
"""

from __future__ import annotations

import collections
import signal
import statistics
import sys
import threading
import time
import uuid

import httpx
from sign_in import sign_in

CALLERS = 4
TOKEN_S = 200.0  # less than an access token lasts
PAUSE_S = 0.1  # of a caller between requests: the tier of writes lets 10 a second through
QUOTA = 429


def call(client: httpx.Client, stop: threading.Event, answers: collections.Counter[str], seconds: list[float]) -> None:
    """Create a project, read it, list, delete it; again and again."""
    while not stop.is_set():
        key = {"Idempotency-Key": f'"load-{uuid.uuid4()}"'}
        body = {"slug": f"load-{uuid.uuid4().hex[:12]}", "name": "Load", "description": ""}
        made = ask(client, "POST", "/api/v1/projects", answers, seconds, json=body, headers=key)
        ask(client, "GET", "/api/v1/projects?page=1&page_size=5", answers, seconds)
        if made is not None and made.is_success:
            path = f"/api/v1/projects/{made.json()['id']}"
            ask(client, "GET", path, answers, seconds)
            ask(client, "DELETE", path, answers, seconds, headers={"If-Match": made.headers["etag"]})
        stop.wait(PAUSE_S)


def ask(
    client: httpx.Client,
    method: str,
    path: str,
    answers: collections.Counter[str],
    seconds: list[float],
    **more: object,
) -> httpx.Response | None:
    """Send one request and count its outcome; who is over the quota waits as told."""
    begun = time.monotonic()
    try:
        answer = client.request(method, path, **more)  # type: ignore[arg-type] # json and headers, as httpx has them
    except httpx.HTTPError as error:
        answers[f"{method} {type(error).__name__}"] += 1
        return None
    seconds.append(time.monotonic() - begun)
    if answer.status_code == QUOTA:
        answers["429 (not a failure)"] += 1
        time.sleep(float(answer.headers["retry-after"]))
        return None
    answers[f"{answer.status_code // 100}xx" if answer.is_success else f"{method} {answer.status_code}"] += 1
    return answer


def main() -> int:
    """Run the callers and print what they met."""
    url, *login = sys.argv[1:]
    stop, answers, seconds = threading.Event(), collections.Counter[str](), list[float]()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    with httpx.Client(base_url=url, timeout=15, trust_env=False) as client:
        client.headers["Authorization"] = f"Bearer {sign_in(url, *login)}"
        threads = [threading.Thread(target=call, args=(client, stop, answers, seconds)) for _ in range(CALLERS)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        while not stop.wait(TOKEN_S):
            client.headers["Authorization"] = f"Bearer {sign_in(url, *login)}"
        for thread in threads:
            thread.join()
    good = answers["2xx"]
    failed = sum(number for outcome, number in answers.items() if outcome not in {"2xx", "429 (not a failure)"})
    took = time.monotonic() - begun
    print(f"{good} requests answered in {took:.0f} s, {failed} failed: {dict(answers)}")
    if len(seconds) > 1:
        cuts = statistics.quantiles(seconds, n=100)
        print(f"median {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms, slowest {max(seconds) * 1000:.0f} ms")
    return int(failed > 0 or good == 0)


if __name__ == "__main__":
    sys.exit(main())
