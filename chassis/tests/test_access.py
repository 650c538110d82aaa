from typing import Any
from uuid import UUID

import pytest
from grpc_health.v1 import health_pb2
from hypothesis import given
from hypothesis import strategies as st

from chassis import call
from chassis.access import ANYONE, SIGNED_IN, allow, rules_of, with_role
from chassis.errors import Forbidden, Unauthenticated
from chassis.identity import NOBODY, Caller

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
METHODS = {method.name for method in HEALTH.methods}
USER = Caller(UUID(int=1), frozenset({"user"}))

# A header value is printable ASCII; a list of roles is written with commas.
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)
roles = st.frozensets(st.text("abcdefghijklmnopqrstuvwxyz_-", min_size=1, max_size=10), max_size=4)


@given(st.uuids(), roles, values, values)
def test_a_callers_identity_crosses_as_metadata(subject: UUID, given_roles: frozenset[str], sid: str, at: str) -> None:
    caller = Caller(subject, given_roles, sid, at)
    assert Caller.from_metadata(dict(caller.to_metadata())) == caller


def test_nobody_crosses_as_nobody_and_keeps_their_address() -> None:
    assert Caller.from_metadata(dict(NOBODY.to_metadata())) == NOBODY
    visitor = Caller(address="192.0.2.7")
    assert Caller.from_metadata(dict(visitor.to_metadata())) == visitor
    assert not visitor.signed_in


def test_a_subject_that_is_no_uuid_is_refused() -> None:
    with pytest.raises(ValueError, match="UUID"):
        Caller.from_metadata({"x-neoforge-subject": "ines"})


def test_anyone_may_call_what_is_open_and_only_people_what_is_not() -> None:
    ANYONE.check(NOBODY)
    SIGNED_IN.check(USER)
    with pytest.raises(Unauthenticated):
        SIGNED_IN.check(NOBODY)


def test_one_of_the_roles_is_enough_and_none_is_forbidden() -> None:
    rule = with_role("agent", "admin")
    rule.check(Caller(UUID(int=1), frozenset({"admin"})))
    with pytest.raises(Forbidden, match="admin or agent"):
        rule.check(USER)
    with pytest.raises(Unauthenticated):
        rule.check(NOBODY)


def test_each_rpc_has_the_rule_that_was_declared() -> None:
    def implementation(*, declared: set[str]) -> Any:
        methods = {name: allow(ANYONE)(lambda *_: None) for name in declared}
        return type("Implementation", (), methods)()

    rules = rules_of(implementation(declared=METHODS), HEALTH)
    assert rules == {f"/grpc.health.v1.Health/{name}": ANYONE for name in METHODS}
    with pytest.raises(TypeError, match="Health does not say who may call: Watch"):
        rules_of(implementation(declared=METHODS - {"Watch"}), HEALTH)


def test_a_call_knows_the_person_that_it_serves() -> None:
    assert call.Call("/a/B", USER).person == USER.subject
    with pytest.raises(Unauthenticated):
        _ = call.Call("/a/B").person
