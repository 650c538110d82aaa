"""Badges: small SVG images that say how something fares, with no script, no style sheet and nothing from elsewhere."""

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from gateway.atom import xml_text

SVG: Final = "image/svg+xml"

# White text has a contrast of at least 4.5 to 1 on each (WCAG 2.2, 1.4.3).
_COLOURS: Final = {
    "operational": "#237a3b",
    "none": "#237a3b",
    "degraded": "#8a6100",
    "minor": "#8a6100",
    "partial_outage": "#b3470b",
    "major": "#b3470b",
    "major_outage": "#b42318",
    "critical": "#b42318",
    "maintenance": "#1d5fa8",
}
_NARROW: Final = frozenset("fijlrtI.,:;'|!()[] ")
_WIDE: Final = frozenset("mwMW@%")
_PAD: Final = 10
_LONGEST: Final = 60


def badge(name: str, says: str, status: str) -> bytes:
    """Draw `name` beside what is said of it, in the colour of a status or an indicator; a long name is cut."""
    name = xml_text(name)
    name = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1].rstrip()}…"
    left, right = _width(name), _width(says)
    title = f"{name}: {says}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img"'
        f" aria-label={quoteattr(title)}><title>{escape(title)}</title>"
        f'<rect width="{left}" height="20" fill="#3f444d"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{_COLOURS[status]}"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{_text(name, left / 2, left)}{_text(says, left + right / 2, right)}</g></svg>"
    ).encode()


def _text(text: str, middle: float, width: int) -> str:
    # With a length of its own it fits whatever font there is.
    length = width - 2 * _PAD
    return f'<text x="{middle:g}" y="14" textLength="{length}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'


def _width(text: str) -> int:
    """About the width of a text in Verdana at 11 pixels, with room around it."""
    return 2 * _PAD + round(sum(4 if c in _NARROW else 10 if c in _WIDE or not c.isascii() else 7 for c in text))
