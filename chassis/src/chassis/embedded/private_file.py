"""Files that their owner alone may read: passwords and private keys."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_private(file: Path, content: str | bytes) -> None:
    """Replace `file` by one of mode 0600 with this content, whole or not at all."""
    incoming = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content.encode() if isinstance(content, str) else content)
    incoming.replace(file)


def kept_secret(file: Path) -> str:
    """The random secret that `file` keeps (32 characters, URL-safe), made at the first call."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text()
