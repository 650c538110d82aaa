"""Who looks at tickets: an agent, or a customer; pure."""

from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from chassis.identity import Caller
from support.errors import ForAgents
from support.model.ticket import Ticket

AGENT_ROLES: Final = ("agent", "admin")


@dataclass(frozen=True)
class Viewer:
    """A person, and whether they work on every ticket or have their own alone."""

    person: UUID
    is_agent: bool

    @classmethod
    def of(cls, caller: Caller, person: UUID) -> Self:
        """Give what a signed-in caller is here."""
        return cls(person, not caller.roles.isdisjoint(AGENT_ROLES))

    @property
    def customer(self) -> UUID | None:
        """The person, when they see their own tickets alone."""
        return None if self.is_agent else self.person

    def may_see(self, ticket: Ticket) -> bool:
        """Whether the ticket exists for them."""
        return self.is_agent or ticket.requester_id == self.person

    def need_agent(self, what: str) -> None:
        """Refuse a customer.

        Raises:
            ForAgents: they are one; `what` it is that they may not do.
        """
        if not self.is_agent:
            raise ForAgents(what)
