"""What an attempt's end means for its message and its endpoint; pure."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from chassis.webhooks import urls
from chassis.webhooks.model import EXCERPT_CHARACTERS, Message, MessageState
from chassis.webhooks.outbound import Received
from chassis.webhooks.retry import DELAYS_S, next_attempt

_UTF8_BYTES: Final = 4
_LINES: Final = "\n\t"


@dataclass(frozen=True)
class Result:
    """How an attempt ended: the answer's status if there was one, and what was wrong, empty when it was accepted."""

    status: int | None
    error: str
    excerpt: str = ""
    retry_after: str = ""


@dataclass(frozen=True)
class Patience:
    """How often a message is tried, and how long an endpoint may fail."""

    delays_s: Sequence[float] = DELAYS_S
    failures: int = 20
    failing_for: timedelta = timedelta(hours=72)

    def is_over(self, failures: int, failing_since: datetime, now: datetime) -> bool:
        """Whether an endpoint that failed so often in a row, since then, is to be disabled."""
        return failures >= self.failures and now - failing_since >= self.failing_for


@dataclass(frozen=True)
class Verdict:
    """What follows: the message's state, its metric's outcome, when it is tried again, whether the endpoint is gone."""

    state: MessageState
    outcome: str
    next_attempt_at: datetime | None = None
    gone: bool = False


def of_answer(received: Received) -> Result:
    """Read an answer: any 2xx accepts the message."""
    status = received.status
    error = ""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        error = f"redirects are not followed; it answered {status}{_origin(received.headers)}"
    elif not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        error = f"it answered {status}"
    return Result(status, error, _excerpt(received), received.headers.get("retry-after", ""))


def judge(message: Message, result: Result, now: datetime, patience: Patience) -> Verdict:
    """Say what follows from an attempt."""
    if not result.error:
        return Verdict(MessageState.DELIVERED, "delivered")
    if result.status == HTTPStatus.GONE:
        return Verdict(MessageState.FAILED, "gone", gone=True)
    due = None
    if not message.is_test:
        due = next_attempt(message.attempts + 1, now, result.retry_after, delays_s=patience.delays_s)
    if due is None:
        return Verdict(MessageState.FAILED, "exhausted")
    return Verdict(MessageState.PENDING, "retried", next_attempt_at=due)


def _excerpt(received: Received) -> str:
    """How the answer begins, as text that can be stored and shown; nothing of one that is encoded (gzip)."""
    if received.headers.get("content-encoding", "identity").lower() != "identity":
        return ""
    text = received.body[: EXCERPT_CHARACTERS * _UTF8_BYTES].decode("utf-8", "replace")[:EXCERPT_CHARACTERS]
    return "".join(c for c in text if c in _LINES or unicodedata.category(c) not in {"Cc", "Cs"})


def _origin(headers: Mapping[str, str]) -> str:
    """Where a redirect led, without what may be secret in its path."""
    try:
        return f" to {urls.parse(headers.get('location', ''))[1].origin}"
    except ValueError:
        return ""
