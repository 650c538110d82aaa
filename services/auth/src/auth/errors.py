"""What can go wrong with accounts and sessions, by name."""

from collections.abc import Sequence

from chassis.errors import DomainError, Forbidden, Kind, NotFound, Unauthenticated


class InvalidCredentials(Unauthenticated):
    """Address or password is wrong; which one is not told."""

    reason = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("the address or the password is wrong")


class InvalidCode(Unauthenticated):
    """The code is wrong, was used, was tried too often, or its time is over; which one is not told."""

    reason = "INVALID_CODE"

    def __init__(self) -> None:
        super().__init__("the code is wrong or good no more")


class InvalidPasskey(Unauthenticated):
    """The passkey is unknown here, or its answer does not hold; which one is not told."""

    reason = "INVALID_PASSKEY"

    def __init__(self) -> None:
        super().__init__("the passkey's answer does not hold")


class InvalidPendingSignIn(Unauthenticated):
    """There is no such pending sign-in, or its time or its tries are over."""

    reason = "INVALID_PENDING_SIGN_IN"

    def __init__(self) -> None:
        super().__init__("the sign-in is over; begin again with the password")


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is none, was used before, or its session has ended."""

    reason = "INVALID_REFRESH_TOKEN"

    def __init__(self) -> None:
        super().__init__("the refresh token is good no more; sign in again")


class WrongPassword(Forbidden):
    """The current password is wrong."""

    reason = "WRONG_PASSWORD"

    def __init__(self) -> None:
        super().__init__("the password is wrong")


class WrongSecondFactor(Forbidden):
    """The code or the passkey's answer is wrong, or was used; for somebody who is signed in."""

    reason = "WRONG_SECOND_FACTOR"

    def __init__(self) -> None:
        super().__init__("the code or the passkey's answer is wrong, or was used before")


class StepUpRequired(Forbidden):
    """The act is sensitive, and the session was not proved lately; `methods` would prove it."""

    reason = "STEP_UP_REQUIRED"

    def __init__(self, methods: Sequence[str]) -> None:
        super().__init__(
            "prove again who you are: this takes a step-up within the last 10 minutes",
            metadata={"methods": ",".join(methods)},
        )


class SecondFactorOn(DomainError):
    """There is an authenticator app already."""

    kind = Kind.CONFLICT
    reason = "SECOND_FACTOR_ON"

    def __init__(self) -> None:
        super().__init__("the second factor is on already; turn it off before another app takes its place")


class SecondFactorOff(NotFound):
    """There is no second factor, or none that waits to be confirmed."""

    def __init__(self) -> None:
        super().__init__("there is no such second factor")


class PasskeyNotFound(NotFound):
    """The caller has no such passkey."""

    def __init__(self) -> None:
        super().__init__("you have no such passkey")


class TooManyAttempts(DomainError):
    """There were too many tries; a while later it goes on."""

    kind = Kind.EXHAUSTED
    reason = "TOO_MANY_ATTEMPTS"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"too many tries; the next one is let through in {retry_after_s} seconds",
            metadata={"retry_after": str(retry_after_s)},
        )


class AccountNotFound(NotFound):
    """There is no such account."""

    def __init__(self) -> None:
        super().__init__("there is no such account")


class SessionNotFound(NotFound):
    """The caller has no such live session."""

    def __init__(self) -> None:
        super().__init__("you have no such session")


class AccessTokenNotFound(NotFound):
    """The caller has no such token."""

    def __init__(self) -> None:
        super().__init__("you have no such access token")
