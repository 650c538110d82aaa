"""Where an answer leads (OpenAPI 3.1, section 4.8.20): from what was made to its own routes, from a tag to If-Match.

All of it follows from the described operations: what `POST .../replies` makes is at `.../replies/{reply_id}`, the
tag of an answer is for the changes that take If-Match.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_ITEM: Final = re.compile(r"/(?P<kind>[\w.-]+)/\{(?P<name>\w+)\}$")
_GUARD: Final = "If-Match"
_REPEATED: Final = (HTTPStatus.OK, HTTPStatus.CREATED)
"""What answers a request that makes something: a repetition is told the same."""


def link(document: dict[str, Any]) -> None:
    """Add to each answer of a description the links to what can be done next."""
    paths = document["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            if str(int(HTTPStatus.CREATED)) in operation["responses"]:
                _link_made(document, path, operation)
            elif method in {"get", "patch", "put"}:
                _link_guarded(path, operations, operation)


def _link_made(document: dict[str, Any], path: str, operation: Mapping[str, Any]) -> None:
    item = _item_of(path, document["paths"])
    made = operation["responses"][str(int(HTTPStatus.CREATED))]
    if item is None:
        return
    name = item.rpartition("{")[2].rstrip("}")
    member = "id" if name.endswith("_id") else name
    if member not in _members(document, made):
        return
    known = _same(path) | {f"path.{name}": f"$response.body#/{member}"}
    answers = [operation["responses"].get(str(int(status)), {}) for status in _REPEATED]
    for below, operations in document["paths"].items():
        if (below + "/").startswith(item + "/"):
            own = below == item
            reached = [target for target in operations.values() if _unnamed(below, target) <= known.keys()]
            for answer in filter(None, answers):
                _add(answer, reached, _given(below, known), guarded=own)


def _link_guarded(path: str, operations: Mapping[str, Any], operation: Mapping[str, Any]) -> None:
    """Link what shows a state with the changes that may be meant for just that state."""
    answer = operation["responses"].get(str(int(HTTPStatus.OK)))
    if answer is not None and "ETag" in answer.get("headers", ()):
        _add(answer, [other for other in operations.values() if _takes(other, _GUARD)], _same(path), guarded=True)


def _add(
    answer: dict[str, Any], targets: Iterable[Mapping[str, Any]], known: Mapping[str, str], *, guarded: bool
) -> None:
    """Link an answer with operations of its resource (`guarded`: by its tag where they take one) or below it."""
    for target in targets:
        by_tag = guarded and _takes(target, _GUARD) and "ETag" in answer.get("headers", ())
        parameters = {**known, **({f"header.{_GUARD}": "$response.header.ETag"} if by_tag else {})}
        identifier = target["operationId"]
        answer.setdefault("links", {})[identifier] = {"operationId": identifier, "parameters": parameters}


def _unnamed(path: str, operation: Mapping[str, Any]) -> set[str]:
    """Give the parameters of a path that only an answer can tell: not those whose values are listed."""
    listed = {one["name"] for one in operation.get("parameters", ()) if "enum" in one["schema"]}
    return {f"path.{name}" for name in _PARAMETER.findall(path) if name not in listed}


def _item_of(path: str, paths: Mapping[str, Any]) -> str | None:
    """Give the path at which what is made at `path` is: that of its kind that shares most of the way."""
    found = [other for other in paths if _is_item(other, path.rpartition("/")[2]) and _reached(other, path)]
    return max(found, key=lambda other: _shared(other, path), default=None)


def _is_item(path: str, kind: str) -> bool:
    match = _ITEM.search(path)
    return match is not None and match["kind"] == kind


def _reached(item: str, path: str) -> bool:
    """Whether all that an item's path names but the item itself is named by `path` too."""
    return set(_PARAMETER.findall(item)[:-1]) <= set(_PARAMETER.findall(path))


def _shared(one: str, other: str) -> int:
    pairs = zip(one.split("/"), other.split("/"), strict=False)
    return next((index for index, (mine, its) in enumerate(pairs) if mine != its), 1_000)


def _same(path: str) -> dict[str, str]:
    return {f"path.{name}": f"$request.path.{name}" for name in _PARAMETER.findall(path)}


def _given(path: str, known: Mapping[str, str]) -> dict[str, str]:
    return {f"path.{name}": known[f"path.{name}"] for name in _PARAMETER.findall(path) if f"path.{name}" in known}


def _takes(operation: Mapping[str, Any], header: str) -> bool:
    return any(parameter["name"] == header for parameter in operation.get("parameters", ()))


def _members(document: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """Give the names of the members of an answer's JSON object."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    yield from document["components"]["schemas"].get(name, schema).get("properties", ())
