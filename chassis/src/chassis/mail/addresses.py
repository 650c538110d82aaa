"""Mail addresses: RFC 5321 with the internationalised forms of RFC 6531 (local part) and RFC 5890 (domain)."""

import hashlib
import string
from dataclasses import dataclass
from typing import Final, Self

import idna
from email_validator import EmailNotValidError, validate_email

from chassis.errors import InvalidFields, Violation
from chassis.text import check_text

MAX_NAME = 200
MAX_ADDRESS = 254
"""Octets of an address that fits into a command (RFC 5321, erratum 1690)."""

_SMALL: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class InvalidAddress(ValueError):
    """The text is no mail address; the message says what is wrong, without repeating it."""


@dataclass(frozen=True)
class Address:
    """A valid address. `domain` is in ASCII (`xn--...`), as every mail server understands it; `local` as it was given,
    in Unicode's form NFC, with its quotes if it has any.
    """

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address, for example `ines+projects@example.org`, `"in es"@example.org` or `用户@例え.jp`.

        Raises:
            InvalidAddress: it is none; whether it exists is not looked up.
        """
        try:
            found = validate_email(
                text,
                check_deliverability=False,
                allow_quoted_local=True,
                strict=True,
                test_environment=True,  # .test (RFC 6761) is where local stacks live
            )
        except EmailNotValidError as invalid:
            raise InvalidAddress(str(invalid)) from None
        local, ascii_domain = found.local_part, found.ascii_domain
        if "." not in ascii_domain:
            raise InvalidAddress("The part after the @-sign needs a dot.")
        if len(f"{local}@{found.domain}".encode()) > MAX_ADDRESS:
            raise InvalidAddress("The address is too long.")
        return cls(local, ascii_domain)

    @classmethod
    def key_of(cls, text: str) -> str:
        """Give the `key` of an address; a text that is none is only folded, and is nobody's."""
        try:
            return cls.parse(text).key
        except InvalidAddress:
            return text.translate(_SMALL)

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can carry it: the local part has no ASCII form."""
        return not self.local.isascii()

    @property
    def readable(self) -> str:
        """The address as people write it: its domain in Unicode."""
        return f"{self.local}@{idna.decode(self.domain)}"

    @property
    def key(self) -> str:
        """What addresses of the same mailbox have in common, for limits and suppressions.

        A server may tell capitals in local parts apart (RFC 5321, section 2.4), but hardly one does. Only A to Z have
        small letters here: Unicode's folding would take addresses of several people (ss and ß) for one.
        """
        return f"{self.local.translate(_SMALL)}@{self.domain.lower()}"

    @property
    def digest(self) -> bytes:
        """SHA-256 of the key: for counting without keeping the address."""
        return hashlib.sha256(self.key.encode()).digest()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


@dataclass(frozen=True)
class Mailbox:
    """An address with the name of who reads it; the name may be empty."""

    name: str
    address: Address

    @classmethod
    def of(cls, name: str, address: str, *, field: str = "address", name_field: str = "name") -> Self:
        """Make a mailbox of what a request holds.

        Raises:
            InvalidFields: the address is none, or the name is too long or holds control characters.
        """
        violations = check_text(name_field, name, MAX_NAME)
        parsed = None
        try:
            parsed = Address.parse(address)
        except InvalidAddress as invalid:
            violations.append(Violation(field, str(invalid)))
        if violations or parsed is None:
            raise InvalidFields.of(violations)
        return cls(" ".join(name.split()), parsed)
