"""Between sessions and the protos of neoforge.auth.v1."""

from uuid import UUID

from auth.sessions.model import Session
from chassis.convert import timestamp
from neoforge.auth.v1 import sessions_pb2 as pb


def session_proto(session: Session, current: UUID | None) -> pb.Session:
    """Give a session as its message; `current` is the one that asks."""
    return pb.Session(
        id=str(session.id),
        label=session.label,
        user_agent=session.user_agent,
        address=session.address,
        created_at=timestamp(session.created_at),
        last_used_at=timestamp(session.last_used_at),
        expires_at=timestamp(session.expires_at),
        is_current=session.id == current,
    )
