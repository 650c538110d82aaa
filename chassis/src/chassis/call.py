"""The call being served: what its metadata said, for everything below the servicer that must know it."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from chassis.errors import Unauthenticated
from chassis.identity import NOBODY, Caller

REQUEST_ID = "x-request-id"
IDEMPOTENCY_KEY = "idempotency-key"
IDEMPOTENCY_FINGERPRINT = "idempotency-fingerprint"
IDEMPOTENCY_REPLAYED = "idempotency-replayed"

ACCEPTING = "accepting"
"""To grpc.health.v1, whether a replica takes new calls: from its start until it says that it goes. Callers choose
replicas by it, not by the health of the whole: where all are without a database, their error tells more than none."""


@dataclass
class Call:
    """One RPC: its full method name, who calls, under which request id, with which idempotency key."""

    method: str
    caller: Caller = NOBODY
    request_id: str = ""
    idempotency_key: str = ""
    idempotency_fingerprint: str = ""
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def person(self) -> UUID:
        """The signed-in caller's id.

        Raises:
            Unauthenticated: nobody is signed in.
        """
        if self.caller.subject is None:
            raise Unauthenticated("sign in first")
        return self.caller.subject


_current: ContextVar[Call] = ContextVar("call")


def current() -> Call:
    """The call that this task serves.

    Raises:
        LookupError: no call is being served.
    """
    return _current.get()


def enter(call: Call) -> None:
    """Make `call` the one that this task, and every task it starts, serves."""
    _current.set(call)
