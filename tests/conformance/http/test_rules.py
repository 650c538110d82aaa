"""The rules of HTTP hold at the edge of the running stack; `make conformance` tries them anywhere."""

from collections.abc import Iterator

import pytest
from tests.conformance.http.__main__ import tried
from tests.conformance.http.kit import RULES, Rule, Visitor

from devstack.folders import Folders
from devstack.signin import personal_token
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Iterator[Visitor]:
    visitor = Visitor(stack.url, personal_token(Folders(stack.data), stack.url, "ines"))
    yield visitor
    visitor.close()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_rule_holds(visitor: Visitor, rule: Rule) -> None:
    outcome, why = tried(rule, visitor)
    assert outcome != "FAIL", why
