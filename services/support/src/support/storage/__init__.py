"""Where the contents of attachments are: one small interface, a folder by default, an S3-compatible store by setting.

A content is named by its attachment's id, never by anything that a person gave. It is complete in the storage before
the row that tells of it is committed; what a crash leaves behind without a row is removed by a periodic job.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from support.settings import Settings


class Storage(Protocol):
    """Keeps contents by id."""

    async def keep(self, id_: UUID, file: Path) -> None:
        """Take over a complete file; it lasts once this returns. The file may be gone afterwards."""

    def read(self, id_: UUID) -> AsyncGenerator[bytes, None]:
        """Give a content in chunks of at most 64 KiB.

        Raises:
            Unavailable: it is not there, or the storage does not answer.
        """

    async def remove(self, id_: UUID) -> None:
        """Drop a content; one that is not there is fine."""

    def older_than(self, moment: datetime) -> AsyncIterator[list[UUID]]:
        """Give the ids of the contents that were kept before `moment`, in batches."""


def storage_of(settings: Settings) -> Storage:
    """Give the storage that the settings describe; what it needs is imported only then."""
    if settings.s3_bucket:
        from support.storage.s3 import S3Bucket  # noqa: PLC0415 - few need it, and it takes 10 MB

        return S3Bucket(settings, settings.s3_bucket)
    from support.storage.folder import Folder  # noqa: PLC0415 - likewise

    return Folder(settings.folder)
