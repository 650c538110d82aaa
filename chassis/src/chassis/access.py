"""Who may call an RPC at all, declared on its method; a servicer with an undeclared RPC does not start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.descriptor import ServiceDescriptor

from chassis.errors import Forbidden, Unauthenticated
from chassis.identity import Caller

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__access_rule__"


@dataclass(frozen=True)
class Rule:
    """Who may call: anyone, or those signed in, or of them only those with one of `roles`."""

    name: str
    needs_person: bool = True
    roles: frozenset[str] = frozenset()

    def check(self, caller: Caller) -> None:
        """Let the caller pass.

        Raises:
            Unauthenticated: the rule wants a person and nobody is signed in.
            Forbidden: the person has none of the roles.
        """
        if not self.needs_person:
            return
        if not caller.signed_in:
            raise Unauthenticated("sign in first")
        if self.roles and not self.roles & caller.roles:
            raise Forbidden("this needs the role " + " or ".join(sorted(self.roles)))


ANYONE = Rule("anyone", needs_person=False)
SIGNED_IN = Rule("signed in")


def with_role(*roles: str) -> Rule:
    """Those signed in who have one of these roles."""
    return Rule("role " + " or ".join(roles), roles=frozenset(roles))


def allow(rule: Rule) -> Callable[[F], F]:
    """Declare who may call this RPC method."""

    def declare(method: F) -> F:
        setattr(method, _ATTRIBUTE, rule)
        return method

    return declare


def rules_of(servicer: object, descriptor: ServiceDescriptor) -> Mapping[str, Rule]:
    """Give the rule of every RPC of `descriptor` by its full method name (`/package.Service/Method`).

    Raises:
        TypeError: an RPC has no declared rule, or the servicer does not implement it.
    """
    rules = {}
    undeclared = []
    for method in descriptor.methods:
        rule = getattr(getattr(servicer, method.name, None), _ATTRIBUTE, None)
        if isinstance(rule, Rule):
            rules[f"/{descriptor.full_name}/{method.name}"] = rule
        else:
            undeclared.append(method.name)
    if undeclared:
        raise TypeError(f"{descriptor.full_name} does not say who may call: {', '.join(undeclared)}")
    return rules
