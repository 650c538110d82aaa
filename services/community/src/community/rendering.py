"""Markdown to HTML that is safe to show: CommonMark with tables, strikethrough and bare links.

Raw HTML is shown as the text it is. Links lead to http, https and mailto addresses alone; anything else in a link's
place stays text. Images are not embedded, since each would tell its server who reads what: they become links. What the
parser wrote goes through an allow-list once more (nh3), so that a fault of one library alone shows nothing unsafe.

Every text is rendered in bounded time: its length is bounded before, the parser's nesting here, and the size and depth
of what comes out are checked. Long ones are rendered on threads of their own, beside the event loop.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import nh3
from linkify_it import LinkifyIt
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from pydantic_core import Url, ValidationError

from chassis.errors import InvalidFields, Violation

MAX_DEPTH: Final = 16
"""Levels of elements in each other."""
MAX_HTML: Final = 320_000
"""Characters of HTML. Ordinary Markdown grows by a third; a table of empty columns would to twenty times its size."""
MAX_EXCERPT: Final = 280

_AT_ONCE: Final = 1_000
"""Up to so many characters are rendered on the event loop: two milliseconds at most, measured."""

_TAGS: Final = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "hr", "blockquote", "pre", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("a", "br", "code", "em", "s", "strong"),
}
_ATTRIBUTES: Final = {"a": {"href", "title"}, "code": {"class"}, "ol": {"start"}}
_SCHEMES: Final = {"http", "https", "mailto"}
_ADDRESS: Final = re.compile(r"(?:https?://[^\s/?#]|mailto:[^\s])", re.IGNORECASE)
_VALUES: Final = {"class": re.compile(r"language-[\w+#.-]{1,40}"), "start": re.compile(r"\d{1,9}")}


@dataclass(frozen=True)
class Rendered:
    """A text as HTML, and its beginning as plain text."""

    html: str
    excerpt: str


def _parser() -> MarkdownIt:
    made = MarkdownIt(
        "commonmark",
        # Two more than may come out: what the parser gave up on is seen to be too deep.
        {"html": False, "linkify": True, "maxNesting": MAX_DEPTH + 2},
    )
    # Without the fuzzy forms: a file called main.py is no site in Paraguay.
    made.linkify = LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    made.validateLink = _leads_somewhere  # type: ignore[method-assign] # its documented way
    made.enable(["linkify", "table", "strikethrough"])
    made.core.ruler.push("images_as_links", _link_images)
    return made


def _leads_somewhere(url: str) -> bool:
    """Say whether a link may have this address: by the URL standard too, or it would come out without any."""
    if _ADDRESS.match(url) is None:
        return False
    try:
        Url(url)
    except ValidationError:
        return False
    return True


def _link_images(state: StateCore) -> None:
    for block in state.tokens:
        if block.type == "inline" and any(child.type == "image" for child in block.children or ()):
            block.children = _without_images(block.children or [])


def _without_images(tokens: list[Token]) -> list[Token]:
    made = []
    in_link = 0
    for token in tokens:
        in_link += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type != "image":
            made.append(token)
            continue
        address = str(token.attrGet("src"))
        text = Token("text", "", 0, content=_plain(token.children or []).strip() or address)
        inside = [text] if in_link else [_opening(address), text, Token("link_close", "a", -1)]
        made += inside
    return made


def _opening(address: str) -> Token:
    opening = Token("link_open", "a", 1)
    opening.attrSet("href", address)
    return opening


_MARKDOWN: Final = _parser()
_threads: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="rendering")


async def render(body: str) -> Rendered:
    """Render Markdown of a bounded length.

    Raises:
        InvalidFields: it nests too deep, or grows beyond MAX_HTML.
    """
    if len(body) <= _AT_ONCE:
        return render_now(body)
    return await asyncio.get_running_loop().run_in_executor(_threads, render_now, body)


def render_now(body: str) -> Rendered:
    """Do what `render` does, on the calling thread."""
    tokens = _MARKDOWN.parse(body)
    if _depth(tokens) > MAX_DEPTH:
        raise _refused(f"must not nest deeper than {MAX_DEPTH} levels")
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    if len(html) > MAX_HTML:
        raise _refused(f"must not become more than {MAX_HTML:,} characters of HTML")
    safe = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_keep,
        url_schemes=_SCHEMES,
        link_rel="nofollow ugc noopener",
    )
    return Rendered(safe, _cut(" ".join(_words(tokens))))


def _keep(_element: str, attribute: str, value: str) -> str | None:
    rule = _VALUES.get(attribute)
    return value if rule is None or rule.fullmatch(value) else None


def _depth(tokens: list[Token]) -> int:
    deepest = depth = 0
    for token in tokens:
        depth += token.nesting
        deepest = max(deepest, depth + (_depth(token.children) if token.children else 0))
    return deepest


def _words(tokens: list[Token]) -> list[str]:
    words: list[str] = []
    length = 0
    for token in tokens:
        text = _plain(token.children or []) if token.type == "inline" else token.content
        for word in text.split():
            words.append(word)
            length += len(word) + 1
            if length > MAX_EXCERPT:
                return words
    return words


def _plain(tokens: list[Token]) -> str:
    return "".join(" " if token.type in {"softbreak", "hardbreak"} else token.content for token in tokens)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 1].rstrip() + "…"


def _refused(rule: str) -> InvalidFields:
    return InvalidFields.of([Violation("body", rule)])
