"""`python -m auth serve | worker | jobs | migrate | sql`, and the verbs of `auth.command`."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from auth import command
from auth.access_tokens.servicer import AccessTokensServicer
from auth.accounts.servicer import AccountsServicer
from auth.audit.servicer import AuditServicer
from auth.clock import utc_now
from auth.equipment import Equipment
from auth.factors.servicer import SecondFactorServicer
from auth.jobs import jobs
from auth.passkeys.servicer import PasskeysServicer
from auth.sessions.servicer import SessionsServicer
from auth.settings import Settings
from auth.tables import idempotency_keys, job_tables, metadata
from auth.verification.servicer import VerificationServicer
from chassis.command_line import main
from chassis.house import House
from chassis.service import Service, Servicer
from neoforge.auth.v1 import (
    access_tokens_pb2,
    access_tokens_pb2_grpc,
    accounts_pb2,
    accounts_pb2_grpc,
    audit_pb2,
    audit_pb2_grpc,
    passkeys_pb2,
    passkeys_pb2_grpc,
    second_factor_pb2,
    second_factor_pb2_grpc,
    sessions_pb2,
    sessions_pb2_grpc,
    verification_pb2,
    verification_pb2_grpc,
)


def build(house: House[Settings], now: Callable[[], datetime] = utc_now) -> list[Servicer]:
    equipment = Equipment.of(house, now)
    return [
        Servicer(AccountsServicer(equipment), accounts_pb2_grpc.add_AccountsServiceServicer_to_server),
        Servicer(SessionsServicer(equipment), sessions_pb2_grpc.add_SessionsServiceServicer_to_server),
        Servicer(
            AuditServicer(equipment.database, equipment.cursors), audit_pb2_grpc.add_AuditServiceServicer_to_server
        ),
        Servicer(AccessTokensServicer(equipment), access_tokens_pb2_grpc.add_AccessTokensServiceServicer_to_server),
        Servicer(SecondFactorServicer(equipment), second_factor_pb2_grpc.add_SecondFactorServiceServicer_to_server),
        Servicer(PasskeysServicer(equipment), passkeys_pb2_grpc.add_PasskeysServiceServicer_to_server),
        Servicer(VerificationServicer(equipment), verification_pb2_grpc.add_VerificationServiceServicer_to_server),
    ]


SERVICE = Service(
    name="auth",
    settings=Settings,
    tables=metadata,
    idempotency_keys=idempotency_keys,
    job_tables=job_tables,
    migrations=Path(__file__).parent / "migrations",
    descriptors=[
        accounts_pb2.DESCRIPTOR.services_by_name["AccountsService"],
        sessions_pb2.DESCRIPTOR.services_by_name["SessionsService"],
        audit_pb2.DESCRIPTOR.services_by_name["AuditService"],
        access_tokens_pb2.DESCRIPTOR.services_by_name["AccessTokensService"],
        second_factor_pb2.DESCRIPTOR.services_by_name["SecondFactorService"],
        passkeys_pb2.DESCRIPTOR.services_by_name["PasskeysService"],
        verification_pb2.DESCRIPTOR.services_by_name["VerificationService"],
    ],
    build=build,
    jobs=jobs,
)

if __name__ == "__main__":
    main(SERVICE, add_own=command.add_verbs)
