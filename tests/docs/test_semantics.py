"""Each line of docs/semantics.md is held by a test that names it, and no test names a line that is not there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| ([^|]+ × [^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def crosses_of_the_page() -> list[str]:
    return [row[1] for row in _ROW.finditer((ROOT / "docs" / "semantics.md").read_text())]


def crosses_of_tests() -> Iterator[str]:
    for folder in ("gateway", "services", "tests"):
        for file in (ROOT / folder).rglob("test_*.py"):
            for function in ast.walk(ast.parse(file.read_text())):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from _named(function)


def _named(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.cross":
            yield ast.literal_eval(mark.args[0])


def test_every_line_is_held_by_a_test_and_every_test_holds_a_line() -> None:
    lines = crosses_of_the_page()
    assert len(lines) == len(set(lines)) > 20
    assert set(crosses_of_tests()) == set(lines)
