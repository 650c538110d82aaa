"""Between personal access tokens and the protos of neoforge.auth.v1."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from auth.access_tokens.model import AccessToken
from chassis.convert import masked, timestamp, to_enum
from neoforge.auth.v1 import access_tokens_pb2 as pb

_CHANGES: Final[Mapping[str, Callable[[pb.AccessToken], Any]]] = {"name": lambda token: token.name}


def token_proto(token: AccessToken) -> pb.AccessToken:
    """Give a token as its message."""
    return pb.AccessToken(
        id=str(token.id),
        name=token.name,
        scope=to_enum(pb.Scope, token.scope),
        created_at=timestamp(token.created_at),
        updated_at=timestamp(token.updated_at),
        expires_at=timestamp(token.expires_at),
        last_used_at=timestamp(token.last_used_at) if token.last_used_at else None,
        version=token.version,
    )


def changes(request: pb.UpdateAccessTokenRequest) -> dict[str, Any]:
    """Give the new values of the fields in the mask.

    Raises:
        InvalidFields: the mask is empty or names a field that cannot be changed.
    """
    return masked(request.update_mask.paths, _CHANGES, request.access_token)
