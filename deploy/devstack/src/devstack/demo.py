"""What the demo people have made, written through the public API as they would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devstack.errors import StackError
from devstack.loopback import request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EDITION = "1"
PROJECTS: dict[str, list[dict[str, Any]]] = {
    "ines": [
        {
            "slug": "atlas",
            "name": "Atlas",
            "description": "The map that every other team builds on.",
            "visibility": "public",
            "labels": ["maps", "platform"],
        },
        {
            "slug": "night-train",
            "name": "Night train",
            "description": "Bookings for the sleeper from Lisbon to Vienna.",
            "visibility": "private",
            "labels": ["travel"],
        },
        {
            "slug": "pricing",
            "name": "Pricing, second edition",
            "description": "One price list for all shops.",
            "visibility": "private",
            "labels": ["billing"],
        },
    ],
    "tomas": [
        {
            "slug": "help-desk",
            "name": "Help desk",
            "description": "Answers within a working day.",
            "visibility": "public",
            "labels": ["support"],
        },
        {
            "slug": "field-notes",
            "name": "Field notes",
            "description": "What customers say when nobody asks.",
            "visibility": "private",
            "labels": ["research", "support"],
        },
    ],
    "mara": [
        {
            "slug": "weather-station",
            "name": "Weather station",
            "description": "A sensor on every roof.",
            "visibility": "public",
            "labels": ["hardware"],
        },
    ],
}


def seed(marker: Path, url: str, token_of: Callable[[str], str]) -> None:
    """Make what is missing. `marker` remembers that it was done, so that what somebody deletes stays deleted."""
    if marker.exists() and marker.read_text() == EDITION:
        return
    for person, projects in PROJECTS.items():
        authorization = {"Authorization": f"Bearer {token_of(person)}"}
        for project in projects:
            key = {"Idempotency-Key": f'"demo-{EDITION}-{person}-{project["slug"]}"'}
            status, answer = request("POST", f"{url}/api/v1/projects", body=project, headers=authorization | key)
            # 409: there since an earlier edition, or made by hand under the same name.
            if status not in {200, 201, 409}:
                raise StackError(
                    f"The demo project {project['slug']} was refused with {status or 'no answer'}: {answer}"
                )
    marker.write_text(EDITION)
