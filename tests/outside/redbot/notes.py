"""REDbot's notes on answers: a program that reads requests, and writes what REDbot (https://redbot.org) says.

It runs with REDbot's own packages and those of Python alone. Both sides are JSON: a list of `url`, `method`, `headers`
(pairs) and `content`, and for each `status`, `failures` and `notes`, each `level`, `kind` and `says`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from typing import Any

import thor
from httplint.note import levels
from redbot.resource import HttpResource

CONFIG = ConfigParser()
CONFIG["redbot"] = {"enable_local_access": "True"}


def look_at(asked: list[Mapping[str, Any]]) -> list[HttpResource]:
    """Ask one after another, with all that REDbot tries further of each: encodings, conditions, ranges."""
    resources: list[HttpResource] = []

    def ask() -> None:
        if len(resources) == len(asked):
            thor.stop()
            return
        following = asked[len(resources)]
        resource = HttpResource(CONFIG["redbot"])
        resource.set_request(following["url"], following["method"], following["headers"], following["content"].encode())
        resources.append(resource)
        resource.once("check_done", ask)
        resource.check()

    thor.schedule(0, ask)
    thor.run()
    return resources


def told(resource: HttpResource) -> dict[str, Any]:
    """Give what is bad and what it warns of, of the answer and of those to what it tried further."""
    parts = [resource, *(part for part in resource.subreqs.values() if part.fetch_started)]
    failures = [part.fetch_error for part in parts if part.fetch_error is not None]
    notes = [note for part in parts for note in _notes(part)]
    return {
        "status": resource.response.status_code,
        "failures": [f"{failure.desc} {failure.detail or ''}".strip() for failure in failures],
        "notes": [note for index, note in enumerate(notes) if note not in notes[:index]],
    }


def _notes(part: HttpResource) -> Iterator[dict[str, str]]:
    for note in part.response.notes:
        if note.level in {levels.BAD, levels.WARN}:
            yield {"level": note.level.value, "kind": type(note).__name__, "says": str(note)}


if __name__ == "__main__":
    json.dump([told(resource) for resource in look_at(json.load(sys.stdin))], sys.stdout)
