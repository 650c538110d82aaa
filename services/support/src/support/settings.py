"""The support service's own knobs."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, ValidationInfo, field_validator

from chassis.mail.settings import MailSettings
from chassis.settings import in_production
from support.model.targets import Priority, Promise


def _times(value: str) -> dict[Priority, timedelta]:
    times = {}
    for part in value.split(","):
        name, _, minutes = part.partition("=")
        if name.strip() not in Priority.names() or not re.fullmatch("[1-9][0-9]{0,6}", minutes.strip()):
            raise ValueError("must be minutes by priority, for example urgent=60,high=240,normal=480,low=1440")
        times[Priority.named(name.strip())] = timedelta(minutes=int(minutes))
    missing = [priority.label for priority in Priority if priority not in times]
    if missing:
        raise ValueError(f"must name every priority; {', '.join(missing)} is missing")
    return times


def _checked(value: str) -> str:
    _times(value)
    return value


Times = Annotated[str, AfterValidator(_checked)]
"""Minutes by priority, written `urgent=60,high=240,normal=480,low=1440`."""


class Settings(MailSettings):
    """What the support service is told: what every service is, how mail is sent, and of targets and attachments."""

    first_response_minutes: Times = "urgent=60,high=240,normal=480,low=1440"
    resolution_minutes: Times = "urgent=480,high=1440,normal=4320,low=10080"

    attachments_folder: Path | None = None
    """Where files are kept, and where uploads wait until they are complete; `.data/attachments` outside production."""

    s3_bucket: str | None = None
    """Keeps files in this bucket of an S3-compatible store rather than in the folder."""

    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None

    @field_validator("attachments_folder")
    @classmethod
    def _somewhere(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and in_production(info):
            raise ValueError("must be set in production")
        return value

    @field_validator("s3_endpoint")
    @classmethod
    def _encrypted(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in {"https", "http"} or not parts.hostname:
                raise ValueError("must be an http or https URL")
            _ = parts.port  # raises ValueError itself
            if in_production(info) and parts.scheme != "https":
                raise ValueError("must be https in production")
        return value

    @property
    def folder(self) -> Path:
        """The folder of attachments, and of uploads on their way."""
        return self.attachments_folder or Path(".data") / "attachments"

    @property
    def promise(self) -> Promise:
        """The targets by priority."""
        return Promise(_times(self.first_response_minutes), _times(self.resolution_minutes))
