"""Names added lines that look like secrets, by their place and never by what they hold; exit status 1 if there are any.

    secrets.py --staged                     what is about to be committed
    secrets.py origin/main..HEAD            every commit that `git log` gives for these arguments, merges included
    secrets.py <some.patch                  a patch

Folders of tests and documentation are left out: what looks like a secret there is an example. A line that must stay
says `not a secret` in a comment. Why not a library: docs/adr/0021-secrets-are-looked-for-in-every-commit.md.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EXEMPT = re.compile(r"(^|/)(tests?|docs)/")
KNOWN = {
    "a private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY|\bPuTTY-User-Key-File-|\bAGE-SECRET-KEY-1",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})\b",
    "a GitLab token": r"\bgl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas)-[A-Za-z0-9_-]{20,}",
    "a Google API key": r"\bAIza[A-Za-z0-9_-]{30,}",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a PyPI token": r"\bpypi-AgE[A-Za-z0-9_-]{20,}",
    "a SendGrid key": r"\bSG\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{40,}",
    "a Slack token": r"\bx(?:ox[abeprs]|app)-[A-Za-z0-9-]{10,}|\bhooks\.slack\.com/services/T[A-Z0-9]+/",
    "a Stripe key": r"\b[sr]k_live_[A-Za-z0-9]{16,}",
    "a webhook's signing secret": r"\bwhsec_[A-Za-z0-9+/]{16,}",
    "a key of a model's provider": r"\bsk-(?:(?:proj|svcacct|admin|ant|or)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{40,})",
    "a personal access token": r"\bnft_[A-Za-z0-9_-]{20,}",
    "a token of a platform": (
        r"\b(?:do[opr]_v1_|hf_|hv[sb]\.|dp\.(?:pt|st|ct|sa)\.|shp(?:at|ca|pa|ss)_|sq0(?:atp|csp)-|lin_api_|PMAK-|gl(?:sa|c)_"
        r"|dckr_[po]at_|rubygems_|sntry[su]_|NRAK-|pul-|AT[AC]TT3xFf|tskey-[a-z]+-|cfut_|ntn_|figd_|ya29\.)"
        r"(?=[A-Za-z0-9_.=-]*\d)[A-Za-z0-9_.=-]{22,}|\bdapi[0-9a-f]{32}\b|\bhf_[A-Za-z]{34}\b|\bkey-[0-9a-f]{32}\b"
        r"|\b(?:SK|AC)[0-9a-f]{32}\b|\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b|\.atlasv1\.[A-Za-z0-9_-]{40,}"
    ),
    "an address that is a key": (
        r"\bdiscord(?:app)?\.com/api/webhooks/\d+/[\w-]{40,}|\.webhook\.office\.com/webhookb2/[\w@-]{36,}"
    ),
    "a login in a header or a command": (
        r"(?i:\bauthorization\b[\"']?\s*[:=,]\s*[\"']?(?:basic|bearer|token)\s+)(?=[^\s\"']*\d)[A-Za-z0-9+/._~-]{20,}"
        r"|\bcurl\b.*\s(?:-u|--user)[ =]?[\"']?[\w.@-]+:[^\s$\"'{<:]{8,}"
        r"|\bmachine\s+\S+\s+login\s+\S+\s+password\s+[^\s$<]{8,}"
    ),
    "a JSON Web Token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "an address with a password": (
        r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"'`{}<>$]*:(?!pw@|password@|%s|%\()[^\s/:@\"'`{}<>$][^\s/@\"'`{}<>]{5,}@"
    ),
}
PATTERNS = {what: re.compile(pattern) for what, pattern in KNOWN.items()}
ASSIGNED = re.compile(
    r"""(?ix) (?<![\w.-]) (?<!\$\{)
    (?P<name> [\w.-]* (?: secret | passw(?:or)?d | passphrase | pwd | token | credential | key
        | (?<![a-z])(?:pass|auth|pat|salt)(?![a-z])) [\w.-]*)
    ["']? \s* (?: = | := | => | : (?!//) ) \s*
    (?: (?P<quote> ["'`]) (?P<quoted> [^"'`\n]{8,}?) (?P=quote) | (?P<bare> [^\s"'`,;)}\]]{8,}) )"""
)
PASSWORD = re.compile(r"(?i)(?:passw(?:or)?d|passphrase|pwd)$")
MIXED = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9]+$")
SYMBOL = re.compile(r"[!#$%^&*?@~]")
REFERENCE = re.compile(r"\$[\w{(]|\{\{|\{\w*\}|<\w+>|%\(|%s|^[./~]|^[a-z+]+://|\s")
"""What is no value but says where one comes from: variables, templates, paths, addresses; or is prose."""
CALL = re.compile(r"[(\[{|]")
WORDS = re.compile(r"_*[A-Za-z]+(?:[._:/-]+(?:[A-Za-z]+\d{0,4}|\d{1,4}))+|[A-Z]?[a-z]+(?:[A-Z][a-z]+)+")
"""Names such as `neoforge-projects-owner`, `settings.password` or `secretKeyRef`."""
BITS = 3.5  # of a character, from which on text looks random: words have about 3
LONG = 16
CHOSEN = 12  # characters of a password that somebody made up


def random_looking(text: str) -> bool:
    """Whether the characters are spread as in something that was drawn by lot."""
    if re.fullmatch(r"[0-9a-fA-F]{32,}", text):
        return len(set(text)) > 8  # noqa: PLR2004 - half of the hexadecimal digits
    counts = Counter(text)
    bits = -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
    return (
        len(text) >= LONG and bits > BITS and bool(re.search(r"\d", text) or re.search(r"[a-z][A-Z].*[a-z][A-Z]", text))
    )


def held_by(found: re.Match[str]) -> bool:
    """Whether what is given to a name of secrets is one."""
    value = found["quoted"] or found["bare"]
    if REFERENCE.search(value) or WORDS.fullmatch(value) or (found["bare"] and CALL.search(value)):
        return False
    chosen = len(value) >= CHOSEN and (found["quoted"] or MIXED.match(value))
    if PASSWORD.search(found["name"]) and (SYMBOL.search(value) or chosen):
        return True
    return random_looking(value)


def found_in(line: str) -> str | None:
    """Give what a line seems to hold."""
    if "not a secret" in line:
        return None
    for what, pattern in PATTERNS.items():
        if pattern.search(line):
            return what
    if any(held_by(found) for found in ASSIGNED.finditer(line)):
        return "a value that looks like a secret, under a name of secrets"
    return None


def added(patch: Iterable[bytes]) -> Iterator[tuple[str, int, str]]:
    """Give file, number and text of every line that a patch adds.

    How long a hunk is stands at its head: within it, nothing is a header, whatever it looks like.
    """
    file, number, before, after = "", 0, 0, 0
    for raw in patch:
        line = raw.decode(errors="replace").rstrip("\r\n")
        if before > 0 or after > 0:
            before -= line[:1] in {"-", " ", ""}
            after -= line[:1] in {"+", " ", ""}
            number += line[:1] in {"+", " ", ""}
            if line.startswith("+"):
                yield file, number, line[1:]
        elif line.startswith("+++ "):
            file = line[4:].strip('\t"').removeprefix("b/")
        elif place := re.match(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", line):
            before, after = int(place[1] or 1), int(place[3] or 1)
            number = int(place[2]) - 1


def patch_of(arguments: list[str]) -> subprocess.Popen[bytes]:
    """Ask git for a patch that no configuration or attribute changes; of a merge, what it brings to its branch."""
    plain = [
        "--text",
        "--unified=0",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    ]
    if arguments == ["--staged"]:
        command = ["diff", "--cached", *plain]
    else:
        command = ["log", "--patch", "--format=%H", "--diff-merges=first-parent", *plain, *arguments]
    spoken = ["git", "-c", "core.quotePath=off", *command]
    return subprocess.Popen(spoken, stdout=subprocess.PIPE)  # noqa: S603 - the git of whoever commits


def main(arguments: list[str]) -> int:
    """Read the patch and name what it adds."""
    git = patch_of(arguments) if arguments else None
    patch = git.stdout if git and git.stdout else sys.stdin.buffer
    faults = 0
    for file, number, text in added(patch):
        if not EXEMPT.search(file) and (what := found_in(text)):
            print(f"{file}:{number} holds {what}.", file=sys.stderr)
            faults += 1
    return 2 if git and git.wait() else int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
