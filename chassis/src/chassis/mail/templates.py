"""Renders a mail from the templates of a service, in the recipient's language.

A mail `invitation` is two files in the service's package, `templates/mail/invitation.en.txt` with the blocks `subject`
and `text`, and `invitation.en.html`, which extends `mail.html`; and two for each other language. All values are escaped
in HTML; a name that is not given is an error; templates reach no attribute that Python keeps to itself.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import jinja2

FALLBACK: Final = "en"
FOLDER: Final = "templates/mail"
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_MARKS: Final = dict.fromkeys([0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""The characters that steer direction (UAX 9, section 2)."""
_FIRST_STRONG_ISOLATE: Final = "\u2068"
_POP_ISOLATE: Final = "\u2069"


@dataclass(frozen=True)
class Content:
    """What a mail says; `language` is the one it was rendered in (BCP 47)."""

    language: str
    subject: str
    text: str
    html: str


class NoSuchMail(LookupError):
    """The service has no templates of this name."""


class Templates:
    """The mail templates of the package `package`."""

    def __init__(self, package: str) -> None:
        self._package = package
        self._made: jinja2.Environment | None = None

    def render(self, name: str, language: str, context: Mapping[str, Any]) -> Content:
        """Render mail `name` in `language` (BCP 47), or the nearest one that there is, at last English.

        Raises:
            NoSuchMail: there is none of this name.
            jinja2.UndefinedError: the templates use a name that the context does not hold.
        """
        found = self._language(name, language)
        # Blocks are rendered one by one: a line break in a value can't turn the end of the subject into text.
        text = self._environment.get_template(f"{name}.{found}.txt")
        values = {**context, "language": found}
        subject, body = ("".join(text.blocks[block](text.new_context(values))).strip() for block in ("subject", "text"))
        html = self._environment.get_template(f"{name}.{found}.html").render(values, subject=subject)
        return Content(found, subject, f"{body}\n", f"{html.strip()}\n")

    def _language(self, name: str, wanted: str) -> str:
        subtags = wanted.lower().split("-")
        candidates = ["-".join(subtags[:length]) for length in range(len(subtags), 0, -1)]
        available = set(self._environment.list_templates())
        for candidate in (*candidates, FALLBACK):
            if {f"{name}.{candidate}.txt", f"{name}.{candidate}.html"} <= available:
                return candidate
        raise NoSuchMail(f"{self._package} has no mail {name}")

    @property
    def _environment(self) -> "jinja2.Environment":
        if self._made is None:
            self._made = _environment(self._package)
        return self._made


def _environment(package: str) -> "jinja2.Environment":
    # Imported here, since a server only puts mails into the outbox and should not carry the memory.
    import jinja2  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415
    from markupsafe import Markup  # noqa: PLC0415

    @jinja2.pass_eval_context
    def isolated(context: jinja2.nodes.EvalContext, value: str) -> str:
        plain = value.translate(_MARKS)
        return Markup("<bdi>{}</bdi>").format(plain) if context.autoescape else isolate(plain)

    made = ImmutableSandboxedEnvironment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(package, FOLDER), jinja2.PackageLoader("chassis.mail", "layout")]
        ),
        autoescape=jinja2.select_autoescape(("html",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["isolated"] = isolated
    return made


def isolate(value: str) -> str:
    """Keep a value of the other direction from turning the text around it (UAX 9, section 2.4); others stay.

    Direction marks of the value's own are left out, so that it can't end the isolation by itself.
    """
    plain = value.translate(_MARKS)
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in plain):
        return f"{_FIRST_STRONG_ISOLATE}{plain}{_POP_ISOLATE}"
    return plain
