"""REDbot, a linter of HTTP, finds no fault in any kind of answer that the edge gives."""

import pytest
from tests.conformance.http.kit import Visitor
from tests.outside.redbot.looking import look_at
from tests.outside.redbot.questions import questions

from devstack.folders import Folders
from devstack.signin import personal_token
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")


def test_redbot_finds_no_fault_at_the_edge(stack: Stack) -> None:
    visitor = Visitor(stack.url, personal_token(Folders(stack.data), stack.url, "ines"))
    try:
        looked = look_at(stack.url, list(questions(visitor)))
    finally:
        visitor.close()
    assert len(looked) > 60
    assert [(one.asked.method, one.asked.path, one.faults) for one in looked if one.faults] == []
