"""Typed settings of a process, read from its environment, refused all at once when they are bad."""

import logging
import os
import re
import ssl
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, create_model, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from chassis import logs, redaction

PREFIX = "NEOFORGE_"
EX_CONFIG = 78
"""Exit status of a process whose settings are refused (sysexits.h)."""


class Environment(StrEnum):
    """Where a process runs; production refuses what is only convenient."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the largest port, RFC 9293
        raise ValueError("must be host:port, for example 127.0.0.1:8090")
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 32:  # noqa: PLR2004 - 32 random characters hold at least 128 bits
        raise ValueError("must have at least 32 characters")
    return value


def _postgresql(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname or not parts.path.strip("/"):
        raise ValueError("must be postgresql://user:password@host:port/database")
    _ = parts.port  # raises ValueError itself
    return value


def _redis(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname or not re.fullmatch("/?|/[0-9]+", parts.path):
        raise ValueError("must be redis://user:password@host:port/0, or rediss:// for TLS")
    _ = parts.port  # raises ValueError itself
    return value


def _readable(value: Path) -> Path:
    try:
        value.read_bytes()
    except OSError as error:
        # Not by its name: that may be the key itself, where a file of it was meant.
        raise ValueError(f"must be a file that can be read: {error.strerror}") from None
    return value


def _authority(value: Path) -> Path:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
    except ssl.SSLError:
        raise ValueError("must be a file with a certificate in PEM") from None
    return value


Address = Annotated[str, AfterValidator(_address)]
"""`host:port`; an IPv6 host stands in brackets."""

Secret = Annotated[SecretStr, AfterValidator(_long_enough)]
"""A secret of at least 32 characters, never shown in logs or errors."""

DatabaseUrl = Annotated[SecretStr, AfterValidator(_postgresql)]
"""`postgresql://user:password@host:port/database`, never shown in logs or errors."""

RedisUrl = Annotated[SecretStr, AfterValidator(_redis)]
"""`redis://user:password@host:port/0` or `rediss://...`; login and port are optional; never shown in logs or errors."""

ReadableFile = Annotated[Path, AfterValidator(_readable)]
"""The path of a file that this process may read."""

AuthorityFile = Annotated[ReadableFile, AfterValidator(_authority)]
"""The path of a PEM file with the certificates of authorities."""

Positive = Annotated[int, Field(ge=1)]

Names = Annotated[tuple[str, ...], NoDecode]
"""A list written with commas."""


class _Unreadable:
    """Stands for the value of a setting whose file could not be read; no field's type takes it."""

    def __init__(self, path: str, why: str) -> None:
        self.message = f"the file {os.fsencode(path).decode(errors='replace')} cannot be read: {why}"


class _Files(PydanticBaseSettingsSource):
    """Reads setting X from the file that X_FILE names, so that a secret need not stand in an environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            return _Unreadable(path, getattr(error, "strerror", None) or "it is not UTF-8"), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                values[name] = value
        return values


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        validate_default=True,
        env_ignore_empty=True,
        allow_inf_nan=False,
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("*", mode="before")
    @classmethod
    def _from_a_file(cls, value: object) -> object:
        if isinstance(value, _Unreadable):
            raise ValueError(value.message)  # noqa: TRY004 - pydantic takes it for a fault of the value
        if isinstance(value, str):
            value.encode()  # raises ValueError itself for what an environment holds that is not UTF-8
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _Files(settings_cls)


class ProcessSettings(_Settings):
    """What every process is told: `NEOFORGE_<NAME>`, or `NEOFORGE_<NAME>_FILE` for a file with the value."""

    environment: Environment
    listen: Address
    tls_ca: AuthorityFile | None = None
    tls_certificate: ReadableFile | None = None
    tls_key: ReadableFile | None = None
    farewell_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    """How long a process that ends goes on taking requests after it has said that it goes, for callers to hear it."""

    @field_validator("tls_ca", "tls_certificate", "tls_key")
    @classmethod
    def _encrypted_in_production(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and in_production(info):
            raise ValueError("must be set in production: service channels are mutually authenticated TLS")
        return value

    @field_validator("tls_key")
    @classmethod
    def _whole(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        # Two of three would be plaintext where someone meant TLS. One that is bad is named by itself.
        files = [info.data[name] for name in ("tls_ca", "tls_certificate") if name in info.data]
        if len({file is None for file in (value, *files)}) > 1:
            raise ValueError("TLS_CA, TLS_CERTIFICATE and TLS_KEY must be given together, or none of them")
        if value is not None and (certificate := info.data.get("tls_certificate")) is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, value, password="")
            except ssl.SSLError:
                raise ValueError("must be the key, in PEM and without a password, of TLS_CERTIFICATE") from None
        return value

    @property
    def tls(self) -> "Tls | None":
        """The PEM files of mutual TLS, or None when this process has none."""
        if self.tls_ca and self.tls_certificate and self.tls_key:
            return Tls(self.tls_ca, self.tls_certificate, self.tls_key)
        return None


class Tls:
    """The three PEM files of one party to mutual TLS, read when they are asked for so that renewals are seen."""

    def __init__(self, ca: Path, certificate: Path, key: Path) -> None:
        self._ca, self.certificate_file, self.key_file = ca, certificate, key

    @property
    def ca(self) -> bytes:
        """The certificate authority both sides trust (PEM)."""
        return self._ca.read_bytes()

    @property
    def chain(self) -> tuple[bytes, bytes]:
        """Private key and certificate chain (PEM)."""
        return self.key_file.read_bytes(), self.certificate_file.read_bytes()


class ServiceSettings(ProcessSettings):
    """What every service is told beyond that."""

    farewell_s: Annotated[float, Field(ge=0, le=30)] = 1.0
    """Callers hear it in milliseconds, and wait two seconds where this was the only replica that they knew."""
    ops_listen: Address
    database_url: DatabaseUrl
    database_pool_size: Positive = 10
    database_statement_timeout_ms: Positive = 5_000
    database_lock_timeout_ms: Positive = 2_000
    trusted_callers: Names = ("gateway",)
    cursor_secret: Secret
    idempotency_ttl_hours: Positive = 24
    redis_url: RedisUrl | None = None
    """Where Celery's messages go; a worker needs it."""
    worker_concurrency: Positive = 8
    """How many jobs of each queue a worker runs at once."""
    cleanup_interval_seconds: Annotated[float, Field(gt=0)] = 300.0
    """How often expired idempotency keys are removed."""
    handled_retention_days: Annotated[float, Field(ge=1)] = 7.0
    """How long the ids of handled messages are kept: far longer than anything may deliver one again, which is the
    visibility timeout of Celery (an hour, or twice the longest job)."""
    dead_letter_retention_days: Annotated[float, Field(gt=0)] | None = None
    """How long dead letters are kept; None means for ever."""

    @field_validator("trusted_callers", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split(value)


class MigrationSettings(_Settings):
    """What `migrate` is told: the login of the role that owns the schema, or the run-time one, to look and no more."""

    database_url: DatabaseUrl | None = None
    migration_database_url: DatabaseUrl | None = None

    @field_validator("migration_database_url")
    @classmethod
    def _one_login(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None and info.data.get("database_url", value) is None and "database_url" in info.data:
            raise ValueError("must be set, to the login of the role that owns the schema")
        return value


def split(value: object) -> object:
    """Turn `a, b` into `("a", "b")`; anything but text stays as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def in_production(info: ValidationInfo) -> bool:
    """Whether the settings under validation are for production (an unreadable environment counts as production)."""
    return info.data.get("environment", Environment.PRODUCTION) is Environment.PRODUCTION


S = TypeVar("S", bound=BaseSettings)


def for_worker(cls: type[S]) -> type[S]:
    """Give what a worker of a service is told: the same, but never without the address of its queues."""
    return create_model(cls.__name__, __base__=cls, redis_url=(RedisUrl, ...))


def load(cls: type[S], overrides: Mapping[str, Any] | None = None) -> S:
    """Read the settings of a process, or name every bad one on stderr and exit with EX_CONFIG (78).

    What one setting asks of another is a validator of its field, not of the model: one of the model would be asked only
    when all fields are good, and its fault is of no setting's name.
    """
    try:
        settings = cls(**(overrides or {}))
    except ValidationError as refused:
        refuse([(PREFIX + str((*e["loc"], "*")[0]).upper(), e["msg"]) for e in refused.errors()])
    redaction.known.hide(_secrets_of(settings))
    return settings


def _secrets_of(settings: BaseSettings) -> Iterator[str]:
    """Give the secrets among the settings; of an address, the password in it."""
    for value in settings.__dict__.values():
        if isinstance(value, SecretStr):
            secret = value.get_secret_value()
            try:
                password = urlsplit(secret).password
            except ValueError:  # it only looks like an address
                password = None
            if password:
                yield from (secret, unquote(password))
            elif not re.match("[a-z]+://", secret):
                yield secret


def refuse(faults: list[tuple[str, str]]) -> NoReturn:
    """Name the bad settings and what is wrong with each on stderr, and exit with EX_CONFIG (78).

    A person at a terminal gets a list, a log one line of JSON.
    """
    said = [f"{name}: {fault.removeprefix('Value error, ')}" for name, fault in faults]
    refusal = f"refusing to start, {len(faults)} bad setting(s):"
    if sys.stderr.isatty():
        written = "\n  ".join([refusal, *said])
    else:
        # The faults tell no values; the log filter would take what stands behind a secret's name for one.
        written = logs.formatter().as_it_is(logging.CRITICAL, __name__, f"{refusal} {'; '.join(said)}")
    print(written, file=sys.stderr)  # noqa: T201 - the log may be set up only when the settings are read
    sys.exit(EX_CONFIG)
