"""The people of the demo, who can sign in to a local stack and to no other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """A demo person."""

    name: str
    subject: str
    roles: tuple[str, ...]

    @property
    def mail(self) -> str:
        """The address, in a domain that receives nothing (RFC 2606)."""
        return f"{self.name}@example.test"


PEOPLE = {
    person.name: person
    for person in (
        Person("ines", "018f0000-0000-7000-8000-000000000001", ("user", "admin")),
        Person("tomas", "018f0000-0000-7000-8000-000000000002", ("user", "agent")),
        Person("mara", "018f0000-0000-7000-8000-000000000003", ("user",)),
    )
}
