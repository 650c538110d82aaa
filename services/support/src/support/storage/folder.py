"""Contents in a local folder, durable by fsync and rename."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from chassis.errors import Unavailable
from support.model.message import MAX_CHUNK_BYTES


class Folder:
    """A folder with 256 others in it, by the last two digits of the id (the first ones are the time)."""

    def __init__(self, root: Path) -> None:
        self._root = root / "files"

    async def keep(self, id_: UUID, file: Path) -> None:
        """Move a file, which was synced already, to its place."""
        await asyncio.to_thread(self._keep, id_, file)

    def _keep(self, id_: UUID, file: Path) -> None:
        place = self._place(id_)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(place)
        for folder in (place.parent, self._root):
            _sync(folder)

    async def read(self, id_: UUID) -> AsyncGenerator[bytes, None]:
        """Give a content in chunks."""
        with self._open(id_) as file:
            while chunk := await asyncio.to_thread(file.read, MAX_CHUNK_BYTES):
                yield chunk

    async def remove(self, id_: UUID) -> None:
        """Drop a content."""
        with suppress(FileNotFoundError):
            await asyncio.to_thread(self._place(id_).unlink)

    async def older_than(self, moment: datetime) -> AsyncIterator[list[UUID]]:
        """Give the ids of old contents, a batch for each folder."""
        for shard in await asyncio.to_thread(lambda: sorted(self._root.glob("*/"))):
            yield await asyncio.to_thread(_old, shard, moment.timestamp())

    def _open(self, id_: UUID) -> BinaryIO:
        # Not in a thread: when the call is given up meanwhile, nobody would close what the thread opened.
        try:
            return self._place(id_).open("rb")
        except FileNotFoundError as lost:
            raise Unavailable("the content of this attachment is not in its storage") from lost

    def _place(self, id_: UUID) -> Path:
        return self._root / id_.hex[-2:] / id_.hex


def _old(shard: Path, before: float) -> list[UUID]:
    return [UUID(hex=entry.name) for entry in os.scandir(shard) if entry.stat().st_mtime < before]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
