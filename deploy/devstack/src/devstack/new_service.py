"""`make new-service`: a service that runs and is tested, from templates/, with its entry wherever services are named.

Every file under templates/service becomes one of the tree, its path and its text rendered by Jinja; what goes into
files that are there already is said in templates/service.toml. Another kind of file, or another place that names
services, takes nothing here.
"""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from devstack.errors import StackError
from devstack.services import SERVICES

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 20
PLACES = 10  # between a service's port and the first operations port (ports.py)

_SERVICE = re.compile(r"[a-z][a-z0-9]*")
_RESOURCE = re.compile(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*")

# Names that have a meaning of their own as a role, a schema, a proto package or a part of the stack.
_PARTS = frozenset(
    {"common", "edge", "envoy", "gateway", "mail", "nursery", "postgres", "postgresql", "public", "redis"}
)
# Names that the template uses itself, as variables, modules or classes.
_OURS = frozenset(
    {
        *("access", "answer", "any", "body", "call", "caller", "change", "channel", "client", "column", "connection"),
        *("context", "convert", "cursor", "database", "declaration", "error", "filter", "found", "handled", "header"),
        *("house", "idempotency_key", "job", "key", "kind", "known", "listing", "location", "message", "method"),
        *("migration", "model", "name", "newest_first", "operation", "order", "outbox", "page", "patch", "path"),
        *("person", "query", "reply", "request", "rest", "row", "schedule_run", "schema", "scope", "search", "service"),
        *("servicer", "setting", "statement", "store", "table", "text", "violation", "wanted"),
    }
)


@dataclass(frozen=True, slots=True)
class Names:
    """What a service and its first resource are called."""

    service: str
    resource: str = "item"

    @property
    def plural(self) -> str:
        """The resources, as the table and the proto file are called."""
        if re.search(r"[^aeiou]y$", self.resource):
            return f"{self.resource[:-1]}ies"
        return self.resource + ("es" if re.search(r"(s|x|z|ch|sh)$", self.resource) else "s")

    @property
    def path(self) -> str:
        """Where they are under /api/v1/: below the service's name, unless that says it already."""
        own = self.plural.replace("_", "-")
        return own if own == self.service else f"{self.service}/{own}"

    def variables(self) -> dict[str, Any]:
        """What the templates know."""
        return {
            "name": self.service,
            "Name": self.service.capitalize(),
            "resource": self.resource,
            "Resource": _camel(self.resource),
            "words": self.resource.replace("_", " "),
            "plural": self.plural,
            "Plural": _camel(self.plural),
            "plural_words": self.plural.replace("_", " "),
            "a": "an" if self.resource[0] in "aeiou" else "a",
            "module": self.plural if self.plural == self.service else f"{self.service}_{self.plural}",
            "path": self.path,
            "offset": _offset(),
        }


def render(root: Path, names: Names) -> list[Path]:
    """Write the service into the tree at `root`, all of it or nothing, and give the new files.

    Raises:
        StackError: a name will not do, something of it is there already, or the tree is not as the entries expect.
    """
    _check_service(root, names.service)
    _check_resource(root, names)
    variables = names.variables()
    jinja = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - code, not pages

    def rendered(text: str) -> str:
        return jinja.from_string(text).render(variables)

    template = root / "templates" / "service"
    files = {
        root / rendered(str(source.relative_to(template)).removesuffix(".j2")): rendered(source.read_text())
        for source in sorted(template.rglob("*.j2"))
    }
    if present := [str(file.relative_to(root)) for file in files if file.exists()]:
        raise StackError(f"There is something already, and it is not overwritten: {', '.join(present)}")
    changed: dict[Path, str] = {}
    for entry in tomllib.loads((root / "templates" / "service.toml").read_text())["entry"]:
        file = root / entry["file"]
        changed[file] = _entered(changed.get(file) or file.read_text(), entry, rendered(entry["text"]))
    for file, text in (files | changed).items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    _format(root, [file for file in (*files, *changed) if file.suffix == ".py"])
    return list(files)


def _check_service(root: Path, service: str) -> None:
    if not _SERVICE.fullmatch(service) or len(service) > LONGEST:
        raise StackError(
            f"A service is named by 1 to {LONGEST} of a-z and 0-9, a letter first; {service!r} is not: "
            "make new-service NAME=billing"
        )
    if (root / "services" / service).exists() or (root / "protos" / "neoforge" / service).exists():
        raise StackError(f"There is a service {service} already.")
    if service in _PARTS | RESERVED_WORDS or _is_keyword(service):
        raise StackError(f"{service} means something already, to Python, PostgreSQL or this stack: take another name.")
    if service in sys.stdlib_module_names or find_spec(service) is not None:
        raise StackError(f"{service} is a module that Python would import instead: take another name.")
    if _offset() >= PLACES:
        raise StackError(f"The stack has ports for {PLACES} services, and all are taken (devstack/ports.py).")


def _check_resource(root: Path, names: Names) -> None:
    resource = names.resource
    if not _RESOURCE.fullmatch(resource) or len(resource) > LONGEST:
        raise StackError(
            f"A resource is named in the singular by 1 to {LONGEST} of a-z, 0-9 and inner underscores; "
            f"{resource!r} is not: make new-service NAME={names.service} RESOURCE=invoice"
        )
    if resource in _OURS | RESERVED_WORDS or names.plural in RESERVED_WORDS or _is_keyword(resource):
        raise StackError(f"{resource} has a meaning already in the code of a service: take another RESOURCE.")
    operation = re.compile(rf"^async def \w+_({resource}|{names.plural})\(", re.MULTILINE)
    for routes in (root / "gateway" / "src" / "gateway" / "routes").glob("*.py"):
        if operation.search(routes.read_text()):
            raise StackError(f"The API has {names.plural} already ({routes.name}): take another RESOURCE.")


def _is_keyword(name: str) -> bool:
    return keyword.iskeyword(name) or keyword.issoftkeyword(name)


def _offset() -> int:
    """Give the first place among the ports that no service has."""
    return max(service.offset for service in SERVICES) + 1


def _entered(text: str, entry: dict[str, str], addition: str) -> str:
    matches = list(re.finditer(entry["after"], text, re.MULTILINE))
    if not matches:
        raise StackError(f"{entry['file']} has nothing like {entry['after']!r} any more; see templates/service.toml.")
    end = matches[-1].end()
    return text[:end] + addition + text[end:]


def _format(root: Path, files: list[Path]) -> None:
    """Lay the code out as this repository does: names of other lengths and initials break and sort elsewhere."""
    # The generated code of its protos, by which `neoforge` is known as ours, is not there yet.
    sorting = ["check", "--select", "I", "--fix-only", "--config", 'lint.isort.known-first-party = ["neoforge"]']
    for command in (sorting, ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, "--quiet", *files], cwd=root, check=True)


def _camel(words: str) -> str:
    return "".join(word.capitalize() for word in words.split("_"))
