"""Reads a patch on stdin and names added lines that look like secrets; exit status 1 if there are any.

Tests and documentation are left out: what looks like a secret there is an example. A line that must stay says
`not a secret` in a comment.
"""

import math
import re
import sys
from collections import Counter

EXEMPT = re.compile(
    r"(^|/)(tests?|docs|testing|templates|protos/gen)/|(^|/)(test_[^/]*|conftest)\.py$|\.md$|^locks/|^CHANGELOG"
)
KNOWN = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})\b"),
    "a Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "a personal access token": re.compile(r"\bnft_[A-Za-z0-9_-]{20,}"),
    "a JSON Web Token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "an address with a password": re.compile(
        r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"'$%{}<>]*:(?!pw@|password@)[^\s/:@\"'$%{}<>]{6,}@"
    ),
}
ASSIGNED = re.compile(
    r"(?i)(?:secret|password|passwd|token|api_?key)\w*[\"']?\s*[:=]\s*[\"']([A-Za-z0-9+/=_-]{20,})[\"']"
)
BITS = 3.5  # of a character, from which on text looks random: words have about 3


def random_looking(text: str) -> bool:
    """Whether the characters are spread as in something that was drawn by lot."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) > BITS and any(
        map(str.isdigit, text)
    )


def found_in(line: str) -> str | None:
    """Give what a line seems to hold."""
    if "not a secret" in line:
        return None
    for what, pattern in KNOWN.items():
        if pattern.search(line):
            return what
    if (assigned := ASSIGNED.search(line)) and random_looking(assigned[1]):
        return "a value that looks random, under a name of secrets"
    return None


def main() -> int:
    """Read the patch; secrets are named by place, never repeated."""
    file, number, faults = "", 0, 0
    for raw in sys.stdin.buffer:
        line = raw.decode(errors="replace").rstrip("\n")
        if line.startswith("+++ "):
            file = line[4:].removeprefix("b/")
        elif place := re.match(r"@@ -\S+ \+(\d+)", line):
            number = int(place[1]) - 1
        elif line.startswith("+"):
            number += 1
            if not EXEMPT.search(file) and (what := found_in(line[1:])):
                print(f"{file}:{number} holds {what}.", file=sys.stderr)
                faults += 1
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
