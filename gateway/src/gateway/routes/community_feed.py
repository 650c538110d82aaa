"""Atom feeds of posts (RFC 4287)."""

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from gateway.moments import rfc3339
from neoforge.community.v1 import posts_pb2 as pb

ATOM: Final = "application/atom+xml"

_NAMESPACE: Final = "http://www.w3.org/2005/Atom"
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NEVER: Final = "1970-01-01T00:00:00.000000Z"


def feed(posts: Sequence[pb.Post], *, name: str, address: str, public_url: str) -> bytes:
    """Write the feed that stands at `address`; what XML cannot hold of its posts' text is replaced (U+FFFD)."""
    root = ET.Element("feed", xmlns=_NAMESPACE)
    _add(root, "id", address)
    _add(root, "title", f"Community: {name}" if name else "Community")
    _add(root, "updated", max((rfc3339(post.updated_at) for post in posts), default=_NEVER))
    ET.SubElement(root, "link", rel="self", type=ATOM, href=address)
    for post in posts:
        entry = ET.SubElement(root, "entry")
        _add(entry, "id", f"urn:uuid:{post.id}")
        _add(entry, "title", post.title)
        _add(entry, "published", rfc3339(post.created_at))
        _add(entry, "updated", rfc3339(post.updated_at))
        _add(ET.SubElement(entry, "author"), "name", post.author_id)
        href = f"{public_url}/api/v1/community/posts/{post.id}"
        ET.SubElement(entry, "link", rel="alternate", href=href)
        for term in (post.category, *post.tags):
            ET.SubElement(entry, "category", term=_xml(term))
        _add(entry, "content", post.html, type="html")
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _add(parent: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, name, attributes).text = _xml(text)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
