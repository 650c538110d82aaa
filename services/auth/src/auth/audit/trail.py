"""Writing the audit trail, in the transaction of what happened."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from auth.audit import store
from auth.audit.chain import FIRST, Entry, Head, hash_of
from auth.clock import utc_now
from auth.secrets import Secrets
from chassis import call as calls
from chassis import logs, telemetry
from chassis.call import Call
from chassis.database import Connection
from chassis.identity import NOBODY

log = logging.getLogger(__name__)


class Trail:
    """Adds entries to the audit trail."""

    def __init__(self, secrets: Secrets, now: Callable[[], datetime] = utc_now) -> None:
        self._secrets = secrets
        self._now = now

    async def write(
        self,
        tx: Connection,
        kind: str,
        *,
        account_id: UUID | None,
        session_id: UUID | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        """Add an entry about the current call; last in its transaction, since others wait for it to end.

        Args:
            tx: the transaction of what happened.
            kind: what happened, `noun.verb`.
            account_id: whose account; None where there is none.
            session_id: which session, where it is not that of the caller.
            details: more about it; nothing secret.
        """
        call = _call()
        found = await store.last(tx)
        position, previous = found or (0, FIRST)
        entry = Entry(
            position=position + 1,
            id=uuid7(),
            created_at=self._now(),
            kind=kind,
            account_id=account_id,
            actor_id=call.caller.subject,
            session_id=session_id or session_of(call),
            address=call.caller.address,
            request_id=call.request_id,
            trace_id=telemetry.trace_id(),
            details=details or {},
        )
        entry = replace(entry, hash=hash_of(entry, previous, self._secrets))
        await store.insert(tx, entry, Head.of(entry.position, entry.hash, self._secrets))
        tx.after_commit(lambda: _tell(entry))


def _tell(entry: Entry) -> None:
    """Say in the log what stands in the trail now; addresses and details stay there."""
    log.info(
        "audit %s",
        entry.kind,
        extra={
            "audit_id": str(entry.id),
            "audit_position": entry.position,
            "account_id": str(entry.account_id) if entry.account_id else None,
            "actor_id": str(entry.actor_id) if entry.actor_id else None,
        },
    )


def session_of(call: Call) -> UUID | None:
    """Give the session of a call's caller, where it is one of ours."""
    try:
        return UUID(call.caller.session)
    except ValueError:
        return None


def _call() -> Call:
    try:
        return calls.current()
    except LookupError:  # a command or a job
        return Call("", NOBODY, logs.request_id.get())
