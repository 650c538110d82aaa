"""Tries every rule at an address, and prints a table: `python -m tests.conformance.http URL`.

NEOFORGE_TOKEN, or NEOFORGE_LOGIN and NEOFORGE_PASSWORD, say who asks, as for `make smoke`; a local stack's Ines else.
"""

import os
import sys
import textwrap

import httpx
from tests.conformance.http.kit import RULES, Broken, NotHere, Rule, Visitor
from tests.conformance.http.rules import (
    browsers,
    caching,
    conditional,
    framing,
    idempotency,
    limits,
    lists,
    problems,
    tracing,
)

from devstack.errors import StackError
from devstack.smoke import token_for

SETS = (conditional, idempotency, problems, caching, lists, limits, browsers, tracing, framing)
WIDTH = 118
SOURCE_WIDTH = 34


def tried(rule: Rule, visitor: Visitor) -> tuple[str, str]:
    """Give the outcome of a rule, `pass`, `FAIL` or `n/a`, and why."""
    try:
        rule.holds(visitor)
    except NotHere as why:
        return "n/a", str(why)
    except Broken as why:
        return "FAIL", str(why)
    except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
        return "FAIL", f"{type(error).__name__}: {error}"
    return "pass", ""


def main(url: str) -> int:
    """Print a line for each rule; 0 if none is broken."""
    try:
        visitor = Visitor(url, token_for(url, os.environ))
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    outcomes = []
    try:
        for rule in RULES:
            outcome, why = tried(rule, visitor)
            outcomes.append(outcome)
            _print(f"{outcome:<6}{rule.source:<{SOURCE_WIDTH}}", rule.says)
            if why:
                _print(f"{'':<6}{'':<{SOURCE_WIDTH}}", f"({why})")
    finally:
        visitor.close()
    counts = {outcome: outcomes.count(outcome) for outcome in ("pass", "FAIL", "n/a")}
    print(f"\n{counts['pass']} rules hold, {counts['FAIL']} are broken, {counts['n/a']} do not apply, at {url}")
    return 1 if counts["FAIL"] else 0


def _print(start: str, text: str) -> None:
    lines = textwrap.wrap(text, WIDTH - len(start)) or [""]
    print(start + lines[0], *(" " * len(start) + line for line in lines[1:]), sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
