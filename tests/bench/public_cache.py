"""What a public read costs from the gateway's cache, as a share of what it costs without.

Run it beside a stack: `.venv/bin/python tests/bench/public_cache.py [URL ROUNDS]`, with the address of the gateway
itself (the base port + 1). Kinds of requests take turns in blocks, so that whatever else the machine does touches all
alike.
"""

import http.client
import itertools
import re
import statistics
import sys
import time
from urllib.parse import urlsplit

BLOCK = 100
"""Requests of one kind in a row, within the shortest lifetime of an answer."""

PATHS = ("/api/v1/status", "/api/v1/community/posts")
UNCACHED = {"Cache-Control": "no-store"}


class Gateway:
    """One connection; each request comes from another address, so that none has used up its quota."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)
        self._addresses = (f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in itertools.count())

    def get(self, path: str, headers: dict[str, str], expected: int) -> http.client.HTTPResponse:
        self._connection.request("GET", path, headers={"X-Forwarded-For": next(self._addresses), **headers})
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != expected:
            raise RuntimeError(f"{path}: {answer.status} instead of {expected}")
        return answer

    def cpu_s(self) -> float:
        self._connection.request("GET", "/metrics")
        told = self._connection.getresponse().read().decode()
        return float(re.findall(r"^process_cpu_seconds_total (\S+)$", told, re.MULTILINE)[0])


def run(url: str, rounds: int) -> None:
    gateway = Gateway(url)
    print(f"{'':34} {'p50 ms':>8} {'p95 ms':>8} {'CPU µs':>8} | of uncached: p50, CPU of the gateway")
    for path in PATHS:
        tag = gateway.get(path, {}, 200).headers["ETag"]
        kinds = {
            "uncached": (UNCACHED, 200),
            "from the cache": ({}, 200),
            "304 uncached": ({"If-None-Match": tag, **UNCACHED}, 304),
            "304 from the cache": ({"If-None-Match": tag}, 304),
        }
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        cpu = dict.fromkeys(kinds, 0.0)
        for _ in range(rounds):
            for kind, (headers, expected) in kinds.items():
                gateway.get(path, {}, 200)
                before = gateway.cpu_s()
                for _ in range(BLOCK):
                    started = time.perf_counter()
                    gateway.get(path, headers, expected)
                    times[kind].append((time.perf_counter() - started) * 1_000)
                cpu[kind] += gateway.cpu_s() - before
        whole = statistics.median(times["uncached"]), cpu["uncached"]
        for kind, taken in times.items():
            p50, p95 = statistics.median(taken), statistics.quantiles(taken, n=20)[18]
            print(
                f"{path + ', ' + kind:50} {p50:8.2f} {p95:8.2f} {cpu[kind] / len(taken) * 1e6:8.0f} |"
                f" {p50 / whole[0]:5.2f} {cpu[kind] / whole[1]:5.2f}"
            )


if __name__ == "__main__":
    run(sys.argv[1] if sys.argv[1:] else "http://127.0.0.1:8081", int(sys.argv[2]) if sys.argv[2:] else 20)
