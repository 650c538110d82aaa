"""Contents on their way in: written to a file of their own as they come, counted and hashed."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from support.errors import ContentTooLarge

_SUFFIX: Final = ".part"


class IncomingFile:
    """One content, at most `most` bytes, at `path`."""

    def __init__(self, path: Path, most: int) -> None:
        self.path = path
        self.size = 0
        self._most = most
        self._hash = hashlib.sha256()
        self._file = path.open("xb", buffering=0)

    @property
    def sha256(self) -> bytes:
        """The hash of what came so far."""
        return self._hash.digest()

    async def write(self, chunk: bytes) -> None:
        """Add what came next.

        Raises:
            ContentTooLarge: it is too much.
        """
        self.size += len(chunk)
        if self.size > self._most:
            raise ContentTooLarge(self._most)
        self._hash.update(chunk)
        await asyncio.to_thread(self._file.write, chunk)

    async def complete(self) -> None:
        """Wait until all of it is on the disk."""
        await asyncio.to_thread(os.fsync, self._file.fileno())

    def close(self) -> None:
        """Let go of the file, and remove it unless it was moved."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Incoming:
    """The folder of contents on their way, on the same disk as their final place."""

    def __init__(self, root: Path, most: int) -> None:
        self._folder = root / "incoming"
        self._most = most

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[IncomingFile]:
        """Lend a file for one content."""
        file = self._create()  # not in a thread: when the call is given up meanwhile, nobody would close it
        try:
            yield file
        finally:
            await asyncio.shield(asyncio.to_thread(file.close))

    async def forget(self, before: datetime) -> int:
        """Remove what processes left behind that died while receiving; give how many."""
        return await asyncio.to_thread(self._forget, before.timestamp())

    def _create(self) -> IncomingFile:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return IncomingFile(self._folder / f"{uuid4().hex}{_SUFFIX}", self._most)

    def _forget(self, before: float) -> int:
        stale = [path for path in self._folder.glob(f"*{_SUFFIX}") if path.stat().st_mtime < before]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)
