"""What REDbot says of an API, as a table: `python -m tests.outside.redbot URL`.

NEOFORGE_TOKEN, or NEOFORGE_LOGIN and NEOFORGE_PASSWORD, say who asks, as for `make smoke`; a local stack's Ines else.
"""

import os
import sys

from tests.conformance.http.kit import Visitor
from tests.outside.redbot.looking import ACCEPTED, look_at
from tests.outside.redbot.questions import questions

from devstack.errors import StackError
from devstack.smoke import token_for


def main(url: str) -> int:
    """Print a line for each answer, and one for each fault; 0 if there is none."""
    try:
        visitor = Visitor(url, token_for(url, os.environ))
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        looked = look_at(url, list(questions(visitor)))
    finally:
        visitor.close()
    for one in looked:
        asked = one.asked
        print(f"{'FAIL' if one.faults else 'pass':<6}{one.status} {asked.method:<8}{asked.path}  ({asked.by})")
        for fault in one.faults:
            print(f"{'':<6}{fault}")
    for says in sorted({says for one in looked for says in one.accepted}):
        print(f"\nso on purpose: {says}\n    {ACCEPTED[says]}")
    faults = sum(len(one.faults) for one in looked)
    print(f"\n{len(looked)} answers, {faults} faults, at {url}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
