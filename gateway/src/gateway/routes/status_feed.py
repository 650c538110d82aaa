"""The Atom feed of incidents (RFC 4287)."""

from collections.abc import Sequence
from html import escape

from gateway.atom import Entry, written
from gateway.moments import rfc3339
from gateway.routes.status_json import IMPACT_NAMES, PROGRESS_NAMES
from neoforge.status.v1 import incidents_pb2 as pb


def feed(incidents: Sequence[pb.Incident], *, address: str, public_url: str) -> bytes:
    """Write the feed that stands at `address`: an entry per incident, which its updates bring to the top again."""
    newest_first = sorted(incidents, key=lambda incident: incident.updated_at.ToNanoseconds(), reverse=True)
    entries = [_entry(incident, public_url) for incident in newest_first]
    return written("Status", address, "NeoForge", entries)


def _entry(incident: pb.Incident, public_url: str) -> Entry:
    told = "".join(
        f"<p><small>{rfc3339(update.created_at)}</small><br/>"
        f"<strong>{PROGRESS_NAMES[update.status]}</strong>: {_lines(update.body)}</p>"
        for update in incident.updates
    )
    return Entry(
        id=f"urn:uuid:{incident.id}",
        title=f"{incident.title} [{PROGRESS_NAMES[incident.status]}]",
        published=rfc3339(incident.created_at),
        updated=rfc3339(incident.updated_at),
        link=f"{public_url}/api/v1/status/incidents/{incident.id}",
        html=told,
        categories=(IMPACT_NAMES[incident.impact],),
    )


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br/>")
