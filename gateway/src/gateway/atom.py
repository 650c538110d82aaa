"""Writes Atom feeds (RFC 4287)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

MEDIA_TYPE: Final = "application/atom+xml"

_NAMESPACE: Final = "http://www.w3.org/2005/Atom"
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NEVER: Final = "1970-01-01T00:00:00.000000Z"


@dataclass(frozen=True)
class Entry:
    """An entry: its permanent id (a URI), its title, when it was published and last changed (RFC 3339), where it is
    read, what it says as safe HTML, its categories, and who wrote it where that is not the feed's author.
    """

    id: str
    title: str
    published: str
    updated: str
    link: str
    html: str
    categories: Iterable[str] = ()
    author: str = ""


def written(title: str, address: str, author: str, entries: Sequence[Entry]) -> bytes:
    """Write the feed that stands at `address`; what XML cannot hold of its text is replaced (U+FFFD)."""
    root = ET.Element("feed", xmlns=_NAMESPACE)
    _add(root, "id", address)
    _add(root, "title", title)
    _add(root, "updated", max((entry.updated for entry in entries), default=_NEVER))
    _add(ET.SubElement(root, "author"), "name", author)
    ET.SubElement(root, "link", rel="self", type=MEDIA_TYPE, href=address)
    for entry in entries:
        element = ET.SubElement(root, "entry")
        _add(element, "id", entry.id)
        _add(element, "title", entry.title)
        _add(element, "published", entry.published)
        _add(element, "updated", entry.updated)
        if entry.author:
            _add(ET.SubElement(element, "author"), "name", entry.author)
        ET.SubElement(element, "link", rel="alternate", href=entry.link)
        for term in entry.categories:
            ET.SubElement(element, "category", term=xml_text(term))
        _add(element, "content", entry.html, type="html")
    made: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return made


def _add(parent: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, name, attributes).text = xml_text(text)


def xml_text(text: str) -> str:
    """Give a text with what XML 1.0 cannot hold (section 2.2) replaced by U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)
