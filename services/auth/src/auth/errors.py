"""What can go wrong with accounts and sessions, by name."""

from chassis.errors import DomainError, Forbidden, Kind, NotFound, Unauthenticated


class InvalidCredentials(Unauthenticated):
    """Address or password is wrong; which one is not told."""

    reason = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("the address or the password is wrong")


class SecondFactorRequired(Unauthenticated):
    """The password is right, and a code of the second factor is needed beside it."""

    reason = "SECOND_FACTOR_REQUIRED"

    def __init__(self, pending: str) -> None:
        super().__init__("a code of the second factor is needed", metadata={"pending": pending})


class InvalidCode(Unauthenticated):
    """The code is wrong, was used, was tried too often, or its time is over; which one is not told."""

    reason = "INVALID_CODE"

    def __init__(self) -> None:
        super().__init__("the code is wrong or good no more")


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


class StepUpRequired(Forbidden):
    """The act is sensitive, and the session was not stepped up lately."""

    reason = "STEP_UP_REQUIRED"

    def __init__(self) -> None:
        super().__init__("prove first who you are: this takes a step-up within the last 10 minutes")


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
