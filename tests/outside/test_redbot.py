"""REDbot, a linter of HTTP, finds no fault in any kind of answer that the edge gives."""

import pytest
from tests.conformance.http.kit import POSTS, PROJECTS, Visitor
from tests.outside.redbot.looking import look_at
from tests.outside.redbot.questions import questions

from chassis.testing.waiting import wait_for
from devstack.folders import Folders
from devstack.signin import personal_token
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")


MISDATED = "(DATE_INCORRECT)"
"""What it says where an answer is read five seconds after it was sent, as on a machine that is busy."""


def left(visitor: Visitor, path: str) -> int:
    """How many requests for this path anyone may send at once."""
    return int(visitor.anyone.get(path).headers["x-ratelimit-remaining"])


def test_redbot_finds_no_fault_at_the_edge(stack: Stack) -> None:
    visitor = Visitor(stack.url, personal_token(Folders(stack.data), stack.url, "ines"))
    try:
        for path, needed in ((PROJECTS, 60), (POSTS, 150)):  # other tests may have used the quota up
            wait_for(
                lambda path=path, needed=needed: left(visitor, path) > needed, 180, every_s=1, what=f"quota of {path}"
            )
        looked = look_at(stack.url, list(questions(visitor)))
    finally:
        visitor.close()
    assert len(looked) > 60
    faults = [(one.asked.method, one.asked.path, fault) for one in looked for fault in one.faults]
    assert [fault for fault in faults if not fault[2].endswith(MISDATED)] == []
