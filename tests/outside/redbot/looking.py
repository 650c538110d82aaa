"""Has REDbot look at answers, and tells faults from what is so on purpose."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.outside.redbot.questions import Asked

PACKAGES = Path(sys.prefix, "share", "redbot")
"""Where `make setup` installs it: apart, since one of its packages is called `tests`."""
PATIENCE_S = 300
ACCEPTED = {
    '"Accept" isn\'t valid in a response.': (
        "with a 415 it says what would be supported (RFC 9110, sections 12.5.1 and 15.5.16)"
    ),
    "Cache-Control: public is probably not necessary.": (
        "to a cache it says no more than max-age (RFC 9111, section 5.2.2.9); to a reader it says that the answer is "
        "for nobody in particular"
    ),
    "It appears that the Date header has been changed by an intermediary.": (
        "an answer that was kept is dated when it is sent; how old it is, Age says, and of the two the older counts "
        "(RFC 9111, section 4.2.3)"
    ),
    "The server didn't understand the request.": "it was sent so that it would not: each status is the one expected",
    "The csp reporting endpoint is not secure.": (
        "where the installation is at http: it has no other; production refuses any address but https:"
    ),
    "The Report-To header is deprecated.": (
        "outside production alone, for browsers that do not know Reporting-Endpoints yet"
    ),
}
"""What it calls bad or warns of, and why that is so on purpose."""


@dataclass(frozen=True)
class Looked:
    """What REDbot says of the answer to a request."""

    asked: Asked
    status: int | None
    faults: Sequence[str]
    accepted: Sequence[str]


def look_at(url: str, asked: Sequence[Asked]) -> list[Looked]:
    """Have REDbot send requests to the API at `url`, and give what it says of each answer."""
    base = _by_address(httpx.URL(url))
    requests = [
        {
            "url": str(base.join(one.path)),
            "method": one.method,
            "headers": list(one.all_headers.items()),
            "content": one.content,
        }
        for one in asked
    ]
    program = Path(__file__).with_name("notes.py")
    ended = subprocess.run(
        [sys.executable, "-P", program],
        input=json.dumps(requests),
        env=os.environ | {"PYTHONPATH": str(PACKAGES)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    return [_looked(one, told) for one, told in zip(asked, json.loads(ended.stdout), strict=True)]


def _by_address(url: httpx.URL) -> httpx.URL:
    """Name localhost by its address: REDbot looks names up in the DNS, which has none such."""
    if url.host != "localhost":
        return url
    _, _, _, _, address = socket.getaddrinfo(url.host, url.port, socket.AF_INET, socket.SOCK_STREAM)[0]
    return url.copy_with(host=str(address[0]))


def _looked(asked: Asked, told: dict[str, object]) -> Looked:
    faults = [str(failure) for failure in told["failures"]]
    accepted = []
    for note in told["notes"]:
        if note["says"] in ACCEPTED:
            accepted.append(note["says"])
        else:
            faults.append(f"{note['level']}: {note['says']} ({note['kind']})")
    if told["status"] != asked.status:
        faults.insert(0, f"this was to be a {asked.status}")
    return Looked(asked, told["status"], faults, accepted)
