import contextlib
import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chassis.errors import InvalidFields
from community.rendering import MAX_DEPTH, MAX_EXCERPT, render, render_now

ELEMENTS = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "hr", "blockquote", "pre", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td", "a", "br", "code", "em", "s", "strong"),
}
ATTRIBUTES = {"a": {"href", "title", "rel"}, "code": {"class"}, "ol": {"start"}}
REL = "nofollow ugc noopener"


class Reader(HTMLParser):
    """Reads HTML as a browser would: elements with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")


def check_safe(html: str) -> Reader:
    reader = Reader(html)
    for element, attributes in reader.elements:
        assert element in ELEMENTS
        assert set(attributes) <= ATTRIBUTES.get(element, set())
        if element == "a":
            assert re.match(r"(?i)(https?://|mailto:)", attributes.get("href") or "")
            assert attributes["rel"] == REL
    return reader


HOSTILE = st.lists(
    st.sampled_from(
        [
            *(
                "<",
                ">",
                '"',
                "'",
                "&",
                "`",
                "\\",
                "[",
                "]",
                "(",
                ")",
                "!",
                "*",
                "_",
                "~~",
                "|",
                "\n",
                "\n\n",
                " ",
                "\t",
            ),
            *("- ", "1. ", "> ", "# ", "```", "    ", "---", "\r\n", "&#106;", "&colon;", "&lt;", "%3A", "\u2028", "a"),
            *("<script>", "</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<!--", "-->", "<?"),
            *("javascript:alert(1)", "data:text/html,x", "vbscript:x", "https://a.example/", "mailto:a@b.example"),
            *(" onerror=alert(1) ", " onclick='x' ", "![", "](", "[x]: ", "<https://b.example>", "style=x", "]]>"),
        ]
    )
    | st.text(max_size=3),
    max_size=40,
).map("".join)


@given(HOSTILE)
@example('![\\" onerror=alert(1) ](x)')
@example("[x](javascript:alert(1)) <javascript:alert(1)> [y]: javascript:alert(1)\n\n[y]")
@example("[x](JaVaScRiPt&colon;alert(1)) [x](java\nscript:alert(1)) [x](\x01javascript:alert(1))")
@example('[x](https://a.example/"onmouseover=alert(1))')
@example('```"><img/src=x/onerror=alert(1)>\nx\n```')
def test_no_script_no_handler_and_no_strange_address_comes_out_whatever_goes_in(text: str) -> None:
    try:
        rendered = render_now(text)
    except InvalidFields:
        return
    check_safe(rendered.html)
    assert len(rendered.excerpt) <= MAX_EXCERPT


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_what_stands_in_a_code_block_is_shown_character_by_character(code: str) -> None:
    shown = check_safe(render_now(f"````\n{code}\n````").html)
    assert shown.text == f"{code}\n\n"


def test_html_is_shown_as_the_text_that_it_is() -> None:
    assert render_now("a <b>c</b> <beta>").html == "<p>a &lt;b&gt;c&lt;/b&gt; &lt;beta&gt;</p>\n"
    assert render_now("<script>alert(1)</script>").html == "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"
    assert "Vec&lt;u16&gt;" in render_now("```rust\nVec<u16>\n```").html


def test_a_code_block_tells_its_language_and_nothing_else_of_its_first_line() -> None:
    assert render_now("```rust\nx\n```").html == '<pre><code class="language-rust">x\n</code></pre>\n'
    assert render_now('```a"b\nx\n```').html == "<pre><code>x\n</code></pre>\n"


def test_an_ampersand_is_escaped_once() -> None:
    assert render_now("a && b &amp; `a &amp;`").html == "<p>a &amp;&amp; b &amp; <code>a &amp;amp;</code></p>\n"


def test_links_lead_to_the_web_and_to_mail_alone_and_lend_no_weight() -> None:
    assert render_now("[a](https://a.example/?b&c)").html == (
        f'<p><a href="https://a.example/?b&amp;c" rel="{REL}">a</a></p>\n'
    )
    assert len(check_safe(render_now("https://a.example <https://b.example> <c@d.example>").html).elements) == 4
    for address in (
        "javascript:alert(1)",
        "data:text/html,x",
        "/here",
        "x",
        "//a.example",
        "ftp://a.example",
        "#b",
        "https://e.com\u202e/x",
    ):
        shown = check_safe(render_now(f"[text]({address})").html)
        assert [element for element, _ in shown.elements] == ["p"]
        assert shown.text.strip() == f"[text]({address})"


def test_a_file_name_is_no_link() -> None:
    assert render_now("main.py and a@b.example").html == "<p>main.py and a@b.example</p>\n"


def test_an_image_becomes_a_link_so_that_nobody_learns_who_reads() -> None:
    assert render_now('![a \\"cat](https://a.example/cat.png)').html == (
        f'<p><a href="https://a.example/cat.png" rel="{REL}">a "cat</a></p>\n'
    )
    assert render_now("[![cat](https://a.example/cat.png)](https://b.example)").html == (
        f'<p><a href="https://b.example" rel="{REL}">cat</a></p>\n'
    )


def test_tables_and_strikethrough_are_rendered() -> None:
    html = render_now("| a |\n|---|\n| ~~b~~ |").html
    assert [element for element, _ in check_safe(html).elements] == [
        "table",
        "thead",
        "tr",
        "th",
        "tbody",
        "tr",
        "td",
        "s",
    ]


def test_the_excerpt_is_the_beginning_as_plain_text() -> None:
    assert render_now("# A *title*\n\n> with `code`\nand [link](https://a.example)\n\n```\nx  <y>\n```").excerpt == (
        "A title with code and link x <y>"
    )
    long = render_now("word " * 1_000).excerpt
    assert len(long) <= MAX_EXCERPT
    assert long.endswith("word…")


@pytest.mark.parametrize("deep", [">", "> ", "- ", "1. ", "> - "])
def test_blocks_nest_to_a_bound_and_are_refused_beyond_it(deep: str) -> None:
    assert "deep" in render_now(deep * 5 + "deep").html
    with pytest.raises(InvalidFields, match=f"deeper than {MAX_DEPTH} levels"):
        render_now(deep * 5_000 + "deep")


WORST = {
    "brackets": "[" * 40_000,
    "images": "![" * 20_000,
    "closed stars": "*" * 10_000 + "a" + "*" * 10_000,
    "lazy quotes": ("> " * 20 + "a\n") + "a\n" * 19_900,
    "list": "- a\n" * 10_000,
    "references": "[a]: https://b\n\n" + "[a] " * 9_900,
    "wide table": "|a" * 5_000 + "\n" + "|-" * 5_000 + "\n" + "|b\n" * 6_000,
}


@pytest.mark.parametrize("text", WORST.values(), ids=WORST)
def test_the_worst_texts_of_the_longest_kind_are_rendered_or_refused_in_bounded_time(text: str) -> None:
    started = time.thread_time()
    with contextlib.suppress(InvalidFields):
        render_now(text[:40_000])
    assert time.thread_time() - started < 10


async def test_a_long_text_is_rendered_beside_the_event_loop_with_the_same_outcome() -> None:
    text = "Some *text* with `code`.\n\n" * 100
    assert await render(text) == render_now(text)
