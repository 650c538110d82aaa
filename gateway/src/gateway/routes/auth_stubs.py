"""How routes ask the auth service."""

from typing import TYPE_CHECKING

from grpc.aio import Channel

from gateway.call import Call
from neoforge.auth.v1.access_tokens_pb2_grpc import AccessTokensServiceStub
from neoforge.auth.v1.accounts_pb2_grpc import AccountsServiceStub
from neoforge.auth.v1.audit_pb2_grpc import AuditServiceStub
from neoforge.auth.v1.passkeys_pb2_grpc import PasskeysServiceStub
from neoforge.auth.v1.second_factor_pb2_grpc import SecondFactorServiceStub
from neoforge.auth.v1.sessions_pb2_grpc import SessionsServiceStub
from neoforge.auth.v1.verification_pb2_grpc import VerificationServiceStub

if TYPE_CHECKING:
    # These exist for type checkers alone.
    from neoforge.auth.v1.access_tokens_pb2_grpc import AccessTokensServiceAsyncStub
    from neoforge.auth.v1.accounts_pb2_grpc import AccountsServiceAsyncStub
    from neoforge.auth.v1.audit_pb2_grpc import AuditServiceAsyncStub
    from neoforge.auth.v1.passkeys_pb2_grpc import PasskeysServiceAsyncStub
    from neoforge.auth.v1.second_factor_pb2_grpc import SecondFactorServiceAsyncStub
    from neoforge.auth.v1.sessions_pb2_grpc import SessionsServiceAsyncStub
    from neoforge.auth.v1.verification_pb2_grpc import VerificationServiceAsyncStub


class AuthStubs:
    """One for each of its proto services."""

    def __init__(self, channel: Channel) -> None:
        self.accounts: AccountsServiceAsyncStub = AccountsServiceStub(channel)
        self.sessions: SessionsServiceAsyncStub = SessionsServiceStub(channel)
        self.second_factor: SecondFactorServiceAsyncStub = SecondFactorServiceStub(channel)
        self.passkeys: PasskeysServiceAsyncStub = PasskeysServiceStub(channel)
        self.audit: AuditServiceAsyncStub = AuditServiceStub(channel)
        self.access_tokens: AccessTokensServiceAsyncStub = AccessTokensServiceStub(channel)
        self.verification: VerificationServiceAsyncStub = VerificationServiceStub(channel)


def stubs(call: Call) -> AuthStubs:
    """Give the stubs that a request's routes ask by."""
    return call.parts.service(AuthStubs)
