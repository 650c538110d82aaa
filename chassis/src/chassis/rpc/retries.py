"""How often calls to a service may be repeated, so that repetitions don't keep a service down that is in trouble."""

from typing import Final

_MOST: Final = 10.0
_BACK: Final = 0.1
"""What an answered call gives back: of calls in trouble, one in ten of all that are answered is repeated."""


class RetryBudget:
    """Tokens of one target, as gRPC's own retries have them.

    A call that fails takes one, a call that is answered gives a tenth back, and while half are gone none is repeated.
    Source: https://github.com/grpc/proposal/blob/master/A6-client-retries.md (throttling retry attempts)
    """

    def __init__(self) -> None:
        self._tokens = _MOST

    def answered(self) -> None:
        """Note a call that the service did not fail."""
        if self._tokens < _MOST:
            self._tokens = min(_MOST, self._tokens + _BACK)

    def failed(self) -> None:
        """Note a call that the service failed, or died of."""
        self._tokens = max(0.0, self._tokens - 1)

    @property
    def left(self) -> bool:
        """Whether a failed call may be repeated."""
        return self._tokens > _MOST / 2
