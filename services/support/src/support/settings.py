"""The support service's own knobs."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, SecretStr, model_validator

from chassis.mail.settings import MailSettings
from chassis.settings import Environment
from support.model.targets import Priority, Promise


def _times(value: str) -> dict[Priority, timedelta]:
    times = {}
    for part in value.split(","):
        name, _, minutes = part.partition("=")
        if name.strip() not in Priority.names() or not minutes.strip().isdecimal() or not int(minutes):
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

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.environment is Environment.PRODUCTION:
            if self.attachments_folder is None:
                raise ValueError("NEOFORGE_ATTACHMENTS_FOLDER must be set in production")
            if self.s3_endpoint and not self.s3_endpoint.startswith("https://"):
                raise ValueError("NEOFORGE_S3_ENDPOINT must be https in production")
        return self

    @property
    def folder(self) -> Path:
        """The folder of attachments, and of uploads on their way."""
        return self.attachments_folder or Path(".data") / "attachments"

    @property
    def promise(self) -> Promise:
        """The targets by priority."""
        return Promise(_times(self.first_response_minutes), _times(self.resolution_minutes))
