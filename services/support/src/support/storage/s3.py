"""Contents in a bucket of an S3-compatible store."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store
from opentelemetry.trace import Span

from chassis import telemetry
from chassis.errors import Unavailable
from support.model.message import MAX_CHUNK_BYTES
from support.settings import Settings

_PREFIX: Final = "attachments/"
_PART_BYTES: Final = 5 * 1024 * 1024
"""The least that S3 takes as a part of a larger upload."""


class S3Bucket:
    """A bucket, or what speaks like one."""

    def __init__(self, settings: Settings, bucket: str) -> None:
        secret = settings.s3_secret_key
        login = {"access_key_id": settings.s3_access_key, "secret_access_key": secret and secret.get_secret_value()}
        address = {"endpoint": settings.s3_endpoint, "region": settings.s3_region}
        self._store = S3Store(
            bucket,
            **{name: value for name, value in (login | address).items() if value},  # type: ignore[arg-type] # all of them text
            client_options={
                "allow_http": not (settings.s3_endpoint or "https:").startswith("https:"),
                "timeout": "30s",
            },
            retry_config={"max_retries": 2},
        )
        self._attributes: dict[str, str | int] = {"rpc.system.name": "aws-api", "aws.s3.bucket": bucket}
        if settings.s3_endpoint:
            self._attributes |= telemetry.address(urlsplit(settings.s3_endpoint).netloc.rpartition("@")[2])

    async def keep(self, id_: UUID, file: Path) -> None:
        """Send a file, in parts when it is large."""
        try:
            with self._asking("PutObject", id_):
                await obstore.put_async(self._store, _name(id_), file, chunk_size=_PART_BYTES, max_concurrency=1)
        except BaseError as failed:
            raise Unavailable("the storage of attachments does not answer") from failed

    async def read(self, id_: UUID) -> AsyncGenerator[bytes, None]:
        """Give a content in chunks."""
        try:
            with self._asking("GetObject", id_):  # until it begins to come: its pace is that of whoever takes it
                found = await obstore.get_async(self._store, _name(id_))
            async for buffer in found.stream(min_chunk_size=MAX_CHUNK_BYTES):
                view = memoryview(buffer)
                for start in range(0, len(view), MAX_CHUNK_BYTES):
                    yield bytes(view[start : start + MAX_CHUNK_BYTES])
        except (NotFoundError, FileNotFoundError) as lost:
            raise Unavailable("the content of this attachment is not in its storage") from lost
        except BaseError as failed:
            raise Unavailable("the storage of attachments does not answer") from failed

    async def remove(self, id_: UUID) -> None:
        """Drop a content."""
        try:
            with self._asking("DeleteObject", id_):
                await obstore.delete_async(self._store, _name(id_))
        except (NotFoundError, FileNotFoundError):
            return
        except BaseError as failed:
            raise Unavailable("the storage of attachments does not answer") from failed

    async def older_than(self, moment: datetime) -> AsyncIterator[list[UUID]]:
        """Give the ids of old contents."""
        async for found in obstore.list(self._store, _PREFIX, chunk_size=1_000):
            yield [UUID(hex=each["path"].removeprefix(_PREFIX)) for each in found if each["last_modified"] < moment]

    def _asking(self, operation: str, id_: UUID) -> AbstractContextManager[Span]:
        """Surround a request to the store with its span, by the conventions for S3."""
        method = f"S3/{operation}"
        attributes = {**self._attributes, "rpc.method": method, "aws.s3.key": _name(id_)}
        return telemetry.calling(method, attributes, (BaseError, FileNotFoundError))


def _name(id_: UUID) -> str:
    return _PREFIX + id_.hex
