"""Between accounts and the protos of neoforge.auth.v1."""

from auth.accounts.model import Account
from chassis.convert import timestamp
from neoforge.auth.v1 import accounts_pb2 as pb


def account_proto(account: Account) -> pb.Account:
    """Give an account as its message."""
    return pb.Account(
        id=str(account.id),
        email=account.email,
        name=account.name,
        roles=sorted(account.roles),
        language=account.language,
        created_at=timestamp(account.created_at),
    )
