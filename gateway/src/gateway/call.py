"""One request on its way through the gateway."""

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi import Request
from starlette.types import Receive, Scope

from chassis import logs
from chassis.identity import NOBODY, Caller
from chassis.rpc.client import Reply, download, invoke, upload
from gateway import metrics
from gateway.addresses import bucket
from gateway.cachecontrol import Lifetime
from gateway.conditional import NONE, Preconditions, Tag, Tags
from gateway.deadline import MARGIN_S, preferred_wait
from gateway.declaration import Declaration, Kind
from gateway.identity import OutdatedToken
from gateway.lastgood import KEPT_S
from gateway.problems import Problem
from gateway.ratelimit import Uncounted
from gateway.representation import Headers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from gateway.parts import Parts
    from gateway.proof import Proof
    from gateway.ratelimit import Decision

_NEEDS_WRITE: Final = (b"www-authenticate", b'Bearer realm="neoforge", error="insufficient_scope", scope="write"')
"""RFC 6750, section 3.1."""
_GRACE_S: Final = 5.0
"""How much later than its deadline, at most, a call to a service has ended."""
FILE_S: Final = 600.0
"""How long a file may take: 10 MiB at 17 KiB a second."""


class Call(Request):
    """Who calls, under which conditions, and how to ask a service on their behalf."""

    def __init__(self, scope: Scope, receive: Receive, declaration: Declaration) -> None:
        super().__init__(scope, receive)
        self.parts: Parts = scope["app"].state.parts
        self.caller: Caller = NOBODY
        self.proof: Proof | None = None
        """What the caller's token proves, where one was sent."""
        self.preconditions: Preconditions = NONE
        self.lacks_if_match = False
        """Whether it is a change that must have If-Match and has none."""
        self.gzip_accepted = False
        self.keyed: tuple[str, str] | None = None
        """Idempotency key and fingerprint of this request."""
        self._kind = declaration.kind
        self._declaration = declaration
        self._public = declaration.public
        self._outlives_service = declaration.outlives_service
        self._spared = declaration.outlives_service or declaration.for_programs
        self._credentials = declaration.credentials
        self._about_account = declaration.about_account
        # A file takes as long as it takes: a preference that nobody heeds is not said to be applied.
        is_file = declaration.takes_file or declaration.gives_file
        self._wait_s = None if is_file else preferred_wait(scope["headers"])
        longest_s = self.parts.settings.call_timeout_s
        self._deadline = time.monotonic() + (
            longest_s if self._wait_s is None else min(longest_s, self._wait_s - MARGIN_S)
        )
        self._decision: Decision | None = None
        self._bucket = ""

    async def identify(self) -> None:
        """Learn who calls, and take the request out of their quota; a bad token costs its address's.

        Raises:
            Problem: UNAUTHENTICATED, QUOTA_EXCEEDED or ADDRESS_PENALISED.
        """
        parts, address = self.parts, self.scope["neoforge.address"]
        if self._credentials:
            self.caller = Caller(address=address)
            await self._take(self._credentials, bucket(address))
            return
        if self._public and not any(name == b"authorization" for name, _ in self.scope["headers"]):
            self.caller = Caller(address=address)
            record = None if self._spared else parts.penalties.record(address)
            await self._take("public", bucket(address), record)
            return
        try:
            proof = await parts.authenticator.proof(self.scope["headers"])
        except Problem as refused:
            # A token that was good once has to be renewed, and one that nobody could check proves nothing against it.
            unknown = refused.type.status is HTTPStatus.UNAUTHORIZED and not isinstance(refused, OutdatedToken)
            record = parts.penalties.record(address) if unknown else None
            await self._take("anonymous", bucket(address), record, refused.threat)
            if self.penalised:
                raise self.as_penalised(refused.threat) from None
            raise
        await self._take(self._kind.tier, str(proof.subject))
        self._admit(proof)

    async def identify_by_token(self) -> None:
        """Learn who calls by the access token of a request that proves nothing otherwise, and was counted already.

        Raises:
            Problem: UNAUTHENTICATED or FORBIDDEN.
        """
        self._admit(await self.parts.authenticator.proof(self.scope["headers"]))

    @property
    def penalised(self) -> bool:
        """Whether its address is penalised, and it has no identity: it is not worth a service's time."""
        return self._decision is not None and bool(self._decision.penalty_us)

    def as_penalised(self, threat: str | None = None) -> Problem:
        """Give the refusal of a penalised request, and have the headers tell when the penalty ends."""
        assert self._decision is not None  # noqa: S101 - for type checkers: the penalty came with it
        self._decision = self._decision.penalised()
        return Problem(
            "ADDRESS_PENALISED",
            "Attacks came from this network. Without a valid access token, its next request is admitted in "
            f"{self._decision.retry_after_s} seconds; with one, everything works.",
            threat=threat,
        )

    @property
    def for_everyone(self) -> bool:
        """Whether the answer is nobody's in particular, so that all may keep it."""
        return self._public and not self.caller.signed_in

    @property
    def lifetime(self) -> Lifetime:
        """For how long everyone may keep an answer that is for everyone."""
        fresh_s = self.parts.settings.public_max_age
        return Lifetime(fresh_s, fresh_s, KEPT_S) if self._outlives_service else Lifetime(fresh_s)

    def by_nobody(self, tag: str | None) -> "Call":
        """Give the request of nobody in particular for the same, unless the answer has that tag.

        Whatever else the client sent has no part in it.
        """
        call = Call({**self.scope, "headers": []}, self.receive, self._declaration)
        if tag is not None:
            call.preconditions = Preconditions(if_none_match=Tags((Tag(tag),)))
        return call

    async def ask(self, rpc: Any, message: Any) -> Reply:
        """Call a service for what this request is about; a read or a keyed write once more if the service was away.

        Raises:
            RemoteError: what the service, or the way to it, said.
        """
        return await invoke(
            rpc,
            message,
            caller=self.caller,
            request_id=logs.request_id.get(),
            timeout_s=self.left_s,
            idempotency=self.keyed,
            repeatable=self._kind is Kind.READ or self.keyed is not None,
        )

    async def look(self, rpc: Any, message: Any) -> Any:
        """Read from a service something that decides over a write.

        Raises:
            RemoteError: what the service, or the way to it, said.
        """
        reply = await invoke(
            rpc,
            message,
            caller=self.caller,
            request_id=logs.request_id.get(),
            timeout_s=self.left_s,
            repeatable=True,
        )
        return reply.message

    async def give(self, rpc: Any, header: Any, parts: "AsyncIterator[Any]") -> Reply:
        """Send a stream to a service that accepts its header, at the pace at which it takes it.

        Raises:
            RemoteError: what the service, or the way to it, said.
        """
        return await upload(
            rpc,
            header,
            parts,
            caller=self.caller,
            request_id=logs.request_id.get(),
            timeout_s=FILE_S,
            idempotency=self.keyed,
        )

    def take(self, rpc: Any, message: Any) -> "AsyncGenerator[Any, None]":
        """Take a stream from a service.

        Raises:
            RemoteError: what the service, or the way to it, said; perhaps in the middle.
        """
        return download(rpc, message, caller=self.caller, request_id=logs.request_id.get(), timeout_s=FILE_S)

    def cost_nothing(self) -> None:
        """Give the request back to the caller's quota: it was answered with what they have already."""
        if self._decision is not None:
            self._decision = self.parts.limiter.give_back(self._decision, self._bucket)

    def answer_headers(self) -> Headers:
        """What every answer says: where the caller's quota stands, once it was looked at, and what it waited for."""
        told = self._decision.headers() if self._decision is not None else []
        if self._wait_s is not None:
            told.append((b"preference-applied", b"wait=%d" % self._wait_s))
        return told

    @property
    def patience_s(self) -> float:
        """Seconds that the client waits for what may be asked for others too.

        Who says how long waits exactly so long; for all others the call to the service has its own deadline, and knows
        better what became of it.
        """
        return self.left_s if self._wait_s is not None else self.left_s + _GRACE_S

    @property
    def left_s(self) -> float:
        """Seconds until the client has its answer, whatever it is."""
        left: float = self._deadline - time.monotonic()
        if self._outlives_service and self.for_everyone:
            left = min(left, self.parts.settings.public_patience_s)
        return max(0.001, left)

    def _admit(self, proof: "Proof") -> None:
        """Act for whom a token proves, if it is for what the request does."""
        if proof.personal and self._about_account:
            raise Problem("FORBIDDEN", "A personal access token reaches nothing about the account and its sessions.")
        if not proof.may_write and self._kind is not Kind.READ:
            raise Problem("FORBIDDEN", "This personal access token may only read.", headers=[_NEEDS_WRITE])
        self.proof = proof
        self.caller = proof.caller(self.scope["neoforge.address"])
        self.scope["neoforge.proved"] = True

    async def _take(self, tier: str, who: str, record: str | None = None, threat: str | None = None) -> None:
        self._bucket = who
        try:
            self._decision = decision = await self.parts.limiter.take(self.parts.tiers[tier], who, record)
        except Uncounted:
            raise Problem("UNAVAILABLE", "Nobody counts tries right now, so none is let through.") from None
        metrics.rate_limit_decisions.labels(tier, "admitted" if decision.allowed else "refused").inc()
        if not decision.allowed:
            if self.penalised:
                raise self.as_penalised(threat)
            raise Problem(
                "REDUCED_CAPACITY" if decision.reduced else "QUOTA_EXCEEDED",
                f"The quota `{tier}`, {decision.tier.quota:,} requests in {decision.tier.window_s} s, is used up; "
                f"the next request is admitted in {decision.retry_after_s} s.",
                members={"violated-policies": [tier]},
                threat=threat,
            )
