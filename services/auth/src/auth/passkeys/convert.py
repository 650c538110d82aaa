"""Between passkeys and the protos of neoforge.auth.v1."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from auth.passkeys.model import Passkey
from chassis.convert import masked, timestamp
from neoforge.auth.v1 import passkeys_pb2 as pb

_CHANGES: Final[Mapping[str, Callable[[pb.Passkey], Any]]] = {"name": lambda passkey: passkey.name}


def passkey_proto(passkey: Passkey) -> pb.Passkey:
    """Give a passkey as its message."""
    return pb.Passkey(
        id=str(passkey.id),
        name=passkey.name,
        synced=passkey.synced,
        created_at=timestamp(passkey.created_at),
        updated_at=timestamp(passkey.updated_at),
        last_used_at=timestamp(passkey.last_used_at) if passkey.last_used_at else None,
        version=passkey.version,
    )


def changes(request: pb.UpdatePasskeyRequest) -> dict[str, Any]:
    """Give the new values of the fields in the mask.

    Raises:
        InvalidFields: the mask is empty or names a field that cannot be changed.
    """
    return masked(request.update_mask.paths, _CHANGES, request.passkey)
