"""What a device is called until its owner calls it something else."""

from typing import Final

_UNKNOWN: Final = "Unknown device"


def label(user_agent: str) -> str:
    """Give a friendly name for the User-Agent field, for example `Firefox on Linux`; the first call takes a second."""
    # Imported here, since a worker never needs its thousand expressions.
    from ua_parser import parse  # noqa: PLC0415

    found = parse(user_agent)
    client = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    if client and system:
        return f"{client} on {system}"
    return client or system or _UNKNOWN
