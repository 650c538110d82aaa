"""What the gateway is told."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from chassis.settings import Address, Environment, Names, ProcessSettings, RedisUrl, in_production, split
from gateway.penalties import Rules
from gateway.tiers import TIERS, Tier, parse_tiers

Network = IPv4Network | IPv6Network


def _no_slash(value: str) -> str:
    return value.rstrip("/")


class GatewaySettings(ProcessSettings):
    """The gateway's own settings, beside those of every process."""

    public_url: Annotated[str, Field(pattern=r"^https?://[^/?#]+/?$"), AfterValidator(_no_slash)]
    """Where clients reach the product; the `type` of every problem is an address under it."""

    projects_target: Address
    support_target: Address | None = None
    """Without it, the API has no support tickets."""

    community_target: Address | None = None
    """Without it, the API has no community."""

    auth_target: Address | None = None
    """Without it, the API has no accounts and sessions, and all tokens come from the issuer of `jwks_url`."""

    revocation_patience_s: Annotated[float, Field(ge=1, le=600)] = 60.0
    """How long requests are let through while the auth service does not tell what was revoked."""

    status_target: Address | None = None
    """Without it, the API has no status page."""

    public_patience_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How long a public answer waits for its service, where the last good one is given in place of an outage."""

    public_max_age_s: Annotated[int, Field(ge=0, le=3600)] | None = None
    """Seconds for which everyone may keep what is shown to nobody in particular; 60 in production, else 5."""

    public_cache_bytes: Annotated[int, Field(ge=0)] = 16 * 1024 * 1024
    """Memory in which a gateway process keeps it; 0 keeps nothing."""

    redis_url: RedisUrl

    jwks_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """Where an issuer other than the auth service publishes its keys."""

    token_issuer: Annotated[str, Field(min_length=1)]
    token_audience: Annotated[str, Field(min_length=1)]

    trusted_proxies: Names = ()
    """Networks (CIDR) of the proxies in front; only what they append about the client's address is believed."""

    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The one header that those proxies append to. The other is the client's own word and never read."""

    cors_origins: Names = ()
    quotas: Names = ()
    """Changes to the rate limits, each `tier=requests/seconds`, for example `reads=6000/60`."""

    penalty_points: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    """Points of threats at which an address is penalised; 0: none is."""

    penalty_s: Annotated[int, Field(ge=1, le=3_600)] = 60
    """How long an address is penalised first; each further time within an hour twice as long."""

    penalty_longest_s: Annotated[int, Field(ge=1, le=86_400)] = 900
    """How long an address is penalised at most."""

    never_penalised: Names = ()
    """Networks (CIDR) of addresses that many share, or that are ours: threats from there are counted alone."""

    gateway_replicas: Annotated[int, Field(ge=1, le=1_000)] = 1
    """How many gateway processes there are: while Redis is away, each admits its part of every quota."""

    redis_patience_s: Annotated[float, Field(gt=0, le=1)] = 0.02
    """How long a request waits for Redis before its quota is counted in this process alone."""

    call_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    body_limit_bytes: Annotated[int, Field(gt=0)] = 1024 * 1024
    keep_alive_s: Annotated[int, Field(gt=0)] = 620
    """How long an idle connection is kept: longer than the proxy in front keeps it, so that the proxy closes first."""

    streams: Annotated[int, Field(ge=0)] = 1_000
    """How many streams of events a gateway process keeps open at once; another is a 503."""

    streams_per_person: Annotated[int, Field(ge=1)] = 20
    """How many of them one person may have, whose next one is a 429."""

    streams_per_address: Annotated[int, Field(ge=1)] = 50
    """How many of them may be those of one address without a token; the same."""

    stream_heartbeat_s: Annotated[float, Field(gt=0, le=30)] = 15.0
    """How long a stream is silent before a comment shows that it lives; who takes nothing for so long is given up."""

    stream_longest_s: Annotated[float, Field(gt=0)] = 3_600.0
    """How long a stream lasts at most, so that clients spread over new gateways; they come back and go on."""

    drain_s: Annotated[int, Field(gt=0)] = 25

    @field_validator("trusted_proxies", "cors_origins", "quotas", "never_penalised", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for network in value:
            ip_network(network)
        if not value and in_production(info):
            raise ValueError("must name the proxies in front in production, or every client has the proxy's address")
        return value

    @field_validator("never_penalised")
    @classmethod
    def _exempt(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
                raise ValueError(f"{origin!r} is no origin such as https://console.example.com (no path, no wildcard)")
            if parts.scheme != "https" and in_production(info):
                raise ValueError(f"{origin!r} must be https in production")
        return value

    @field_validator("public_url", "jwks_url")
    @classmethod
    def _encrypted(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            if info.data.get("auth_target") is None:
                raise ValueError("must be set, or NEOFORGE_AUTH_TARGET")
            return value
        _ = urlsplit(value).port  # raises ValueError itself
        if not value.startswith("https://") and in_production(info):
            raise ValueError("must be https in production")
        return value

    @field_validator("quotas")
    @classmethod
    def _known_tiers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_tiers(value)
        return value

    def target(self, service: str) -> str | None:
        """Give where a service is, or None where the installation has none of that name."""
        target: str | None = getattr(self, f"{service}_target")
        return target

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The trusted proxies' networks."""
        return tuple(ip_network(network) for network in self.trusted_proxies)

    @property
    def penalties(self) -> Rules:
        """From when on and how long addresses are penalised; proxies never, since others stand behind them."""
        never = (*self.proxies, *map(ip_network, self.never_penalised))
        return Rules(self.penalty_points, self.penalty_s, self.penalty_longest_s, never)

    @property
    def public_max_age(self) -> int:
        """`public_max_age_s`, or what suits the environment."""
        if self.public_max_age_s is not None:
            return self.public_max_age_s
        return 60 if self.environment is Environment.PRODUCTION else 5

    @property
    def tiers(self) -> dict[str, Tier]:
        """Every tier with the changes applied."""
        return {**TIERS, **parse_tiers(self.quotas)}
