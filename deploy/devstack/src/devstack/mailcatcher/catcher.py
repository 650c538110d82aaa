"""The catcher as a whole: SMTP on one port, the page and its API on another, both of loopback."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from devstack.mailcatcher.smtp import Listener, tls_context
from devstack.mailcatcher.store import Store
from devstack.mailcatcher.web import Page
from devstack.ports import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from devstack.mailcatcher.smtp import Certificate


@dataclass
class Catcher:
    """A running catcher, as `async with Catcher(folder) as catcher`; a port of 0 becomes a free one.

    Mails lie in `folder`. With a `certificate`, STARTTLS is offered. Without `smtputf8` it is one of the servers that
    lack RFC 6531.
    """

    folder: Path
    certificate: Certificate | None = None
    smtp_port: int = 0
    page_port: int = 0
    smtputf8: bool = True
    store: Store = field(init=False)

    async def __aenter__(self) -> Self:
        self.store = Store(self.folder / "mails.sqlite3")
        tls = tls_context(self.certificate) if self.certificate else None
        self._smtp = Listener(self.store, tls, smtputf8=self.smtputf8)
        await self._smtp.start(HOST, self.smtp_port)
        self.smtp_port = self._smtp.port
        self._page = Page(HOST, self.page_port, self.store)
        self.page_port = self._page.port
        self._page.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._smtp.stop()
        self._page.stop()
        self.store.close()
