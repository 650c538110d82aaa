"""What the span of a look at a target is called and says, by the conventions for what it asks."""

from typing import Final

from status.prober.targets import Target

_HEALTH: Final = "grpc.health.v1.Health/Check"


def described(target: Target) -> tuple[str, dict[str, str | int]]:
    """Give the name and the attributes; the query of a URL may be a secret of the target."""
    to: dict[str, str | int] = {"server.address": target.host, "server.port": target.port}
    if target.scheme == "tcp":
        return "connect", {**to, "network.transport": "tcp"}
    if target.scheme == "grpc":
        return _HEALTH, {**to, "rpc.system.name": "grpc", "rpc.method": _HEALTH}
    url = f"{target.scheme}://{target.authority}{target.path.partition('?')[0] or '/'}"
    return "GET", {**to, "http.request.method": "GET", "url.full": url}
