"""What a service that sends mail is told beyond the rest."""

import ssl
from email.utils import parseaddr
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from chassis.mail.addresses import Address, InvalidAddress, Mailbox
from chassis.mail.smtp import Server
from chassis.settings import AuthorityFile, ServiceSettings, in_production

PORTS = {"smtp": 587, "smtps": 465}
"""Submission with STARTTLS (RFC 6409) and with TLS from the start (RFC 8314, section 3.3)."""


def _smtp(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("must be smtp://user:password@host:port, or smtps:// for TLS from the start")
    _ = parts.port  # raises ValueError itself
    return value


def _sender(value: str) -> str:
    mailbox(value)
    return value


SmtpUrl = Annotated[SecretStr, AfterValidator(_smtp)]
"""`smtp://user:password@host:port` or `smtps://...`; login and port are optional; never shown in logs or errors."""


def mailbox(value: str) -> Mailbox:
    """Read `Name <address>`, or an address alone.

    Raises:
        ValueError: it is neither.
    """
    name, address = parseaddr(value)
    try:
        return Mailbox(" ".join(name.split()), Address.parse(address))
    except InvalidAddress as invalid:
        raise ValueError(f"must be an address, or Name <address>: {invalid}") from None


class MailSettings(ServiceSettings):
    """How mail is sent.

    `smtp_starttls` demands that an smtp:// connection turns to TLS before anything is said; without it mail goes in the
    clear, which production refuses. `smtp_ca` is the authority (PEM) of the mail server's certificate where it is none
    that the system knows. `smtp_timeout_s` bounds the whole of a delivery. `mail_hourly_limit` is how many mails of
    this service one address gets in an hour; what is beyond waits.
    """

    smtp_url: SmtpUrl
    smtp_starttls: bool = True
    smtp_ca: AuthorityFile | None = None
    smtp_timeout_s: float = Field(30.0, gt=0, le=60)
    mail_from: Annotated[str, AfterValidator(_sender)]
    mail_hourly_limit: int = Field(20, ge=1)

    @field_validator("mail_from")
    @classmethod
    def _plain_sender(cls, value: str) -> str:
        if mailbox(value).address.needs_smtputf8:
            raise ValueError("must have an ASCII local part: not every mail server carries others (RFC 6531)")
        return value

    @field_validator("smtp_starttls")
    @classmethod
    def _no_plaintext(cls, value: bool, info: ValidationInfo) -> bool:
        url = info.data.get("smtp_url")
        if not value and in_production(info) and url and not url.get_secret_value().startswith("smtps:"):
            raise ValueError("must be on in production, or SMTP_URL smtps://: mail never goes in the clear")
        return value

    @property
    def smtp_server(self) -> Server:
        """Where mail is handed over."""
        parts = urlsplit(self.smtp_url.get_secret_value())
        return Server(
            host=parts.hostname or "",
            port=parts.port or PORTS[parts.scheme],
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            implicit_tls=parts.scheme == "smtps",
            starttls=parts.scheme == "smtp" and self.smtp_starttls,
            context=ssl.create_default_context(cafile=str(self.smtp_ca) if self.smtp_ca else None),
            timeout_s=self.smtp_timeout_s,
        )

    @property
    def mail_sender(self) -> Mailbox:
        """Who mails come from."""
        return mailbox(self.mail_from)
