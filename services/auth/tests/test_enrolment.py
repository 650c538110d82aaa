"""Turning the second factor on and off: what is shown, kept, counted and told."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import psycopg
import pyotp

from auth.settings import Settings
from auth.testing import People, kinds, letters, refused
from chassis.errors import RemoteError
from chassis.testing.client import Client
from chassis.testing.plugin import Logins
from chassis.threats import threats
from neoforge.auth.v1 import second_factor_pb2

PERSON = "ines@example.test"


async def test_the_address_has_the_products_name_and_the_mail_address(
    call: Client, people: People, settings: Settings
) -> None:
    await people.registered("ines+test@example.test")
    ines = await people.signed_in("ines+test@example.test")
    reply = await call(ines.caller, "BeginTotp", second_factor_pb2.BeginTotpRequest())
    found = pyotp.parse_uri(reply.uri)
    assert (found.issuer, found.name) == ("NeoForge", "ines+test@example.test")
    assert reply.qr_svg.startswith("<svg")
    assert "</svg>" in reply.qr_svg


async def test_new_recovery_codes_replace_the_ones_before(call: Client, people: People, database: Logins) -> None:
    ines, kept = await people.begun(PERSON)
    renewed = await call(ines.caller, "RenewRecoveryCodes", second_factor_pb2.RenewRecoveryCodesRequest())
    pending = await people.asked(PERSON)
    await refused(people.completed(pending, recovery_code=kept.recovery_codes[0]), "INVALID_CODE")
    await people.completed(pending, recovery_code=renewed.recovery_codes[0])
    assert "recovery_codes_renewed" in letters(database)


async def test_turned_off_it_is_gone_with_its_codes_and_can_be_turned_on_again(
    call: Client, people: People, database: Logins
) -> None:
    ines, kept = await people.begun(PERSON)
    await refused(call(ines.caller, "BeginTotp", second_factor_pb2.BeginTotpRequest()), "SECOND_FACTOR_ON")
    pending = await people.asked(PERSON)
    await call(ines.caller, "DisableTotp", second_factor_pb2.DisableTotpRequest())
    await refused(people.completed(pending, recovery_code=kept.recovery_codes[0]), "INVALID_CODE")
    assert (await people.signed_in(PERSON)).tokens.access_token
    await refused(call(ines.caller, "DisableTotp", second_factor_pb2.DisableTotpRequest()), "NOT_FOUND")
    await refused(call(ines.caller, "RenewRecoveryCodes", second_factor_pb2.RenewRecoveryCodesRequest()), "NOT_FOUND")
    await refused(call(ines.caller, "ConfirmTotp", second_factor_pb2.ConfirmTotpRequest(code="000000")), "NOT_FOUND")
    assert [name for name in letters(database) if name.startswith("second_factor_o")] == [
        "second_factor_on",
        "second_factor_off",
    ]
    trail = await kinds(call, ines.caller)
    expected = {"account.second_factor_begun", "account.second_factor_enabled", "account.second_factor_disabled"}
    assert expected <= set(trail)
    assert (await people.enrolled(ines)).secret != kept.secret


async def test_a_secret_that_was_replaced_or_is_too_old_cannot_be_confirmed(
    call: Client, people: People, clock: Any
) -> None:
    await people.registered(PERSON)
    ines = await people.signed_in(PERSON)
    first = await call(ines.caller, "BeginTotp", second_factor_pb2.BeginTotpRequest())
    second = await call(ines.caller, "BeginTotp", second_factor_pb2.BeginTotpRequest())

    def confirm(secret: str) -> Awaitable[Any]:
        request = second_factor_pb2.ConfirmTotpRequest(code=people.totp_code(secret))
        return call(ines.caller, "ConfirmTotp", request)

    await refused(confirm(first.secret), "WRONG_SECOND_FACTOR")
    clock.pass_time(minutes=31)
    await refused(confirm(second.secret), "NOT_FOUND")


async def test_one_of_many_confirmations_at_once_turns_it_on(call: Client, people: People) -> None:
    await people.registered(PERSON)
    ines = await people.signed_in(PERSON)
    started = await call(ines.caller, "BeginTotp", second_factor_pb2.BeginTotpRequest())
    request = second_factor_pb2.ConfirmTotpRequest(code=people.totp_code(started.secret))
    outcomes = await asyncio.gather(
        *(call(ines.caller, "ConfirmTotp", request) for _ in range(5)), return_exceptions=True
    )
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, RemoteError)] == ["SECOND_FACTOR_ON"] * 4


async def test_nothing_of_a_second_factor_stands_readable_in_the_database(
    call: Client, people: People, database: Logins
) -> None:
    _, kept = await people.begun(PERSON)
    pending = await people.asked(PERSON)
    with psycopg.connect(database.admin) as admin:
        tables = admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'auth'").fetchall()
        dump = b"".join(
            bytes(value) if isinstance(value, bytes) else str(value).encode()
            for (table,) in tables
            for row in admin.execute(f"SELECT * FROM auth.{table}".encode()).fetchall()  # noqa: S608 - a name
            for value in row
        )
    assert PERSON.encode() in dump
    raw = pyotp.OTP(kept.secret).byte_secret()
    bare = [code.replace("-", "") for code in kept.recovery_codes]
    for secret in (kept.secret, pending, pending.removeprefix("nfp_"), *kept.recovery_codes, *bare):
        assert secret.encode() not in dump
    assert raw not in dump


async def test_a_secret_that_was_sealed_under_another_key_lets_nobody_in(
    call: Client, people: People, database: Logins
) -> None:
    _, kept = await people.begun(PERSON)
    with psycopg.connect(database.admin) as admin:
        admin.execute(b"UPDATE auth.totp_factors SET sealed_secret = decode(repeat('00', 60), 'hex')")
    pending = await people.asked(PERSON)
    await refused(people.completed(pending, totp_code=people.totp_code(kept.secret, 1)), "INVALID_CODE")
    await people.completed(pending, recovery_code=kept.recovery_codes[0])


async def test_wrong_codes_at_the_confirmation_are_counted_and_stand_in_the_trail(
    call: Client, people: People, clock: Any
) -> None:
    await people.registered(PERSON)
    ines = await people.signed_in(PERSON)
    started = await call(ines.caller, "BeginTotp", second_factor_pb2.BeginTotpRequest())
    counted = threats.labels("brute_force")._value.get()

    def confirm(code: str) -> Awaitable[Any]:
        return call(ines.caller, "ConfirmTotp", second_factor_pb2.ConfirmTotpRequest(code=code))

    for _ in range(10):
        await refused(confirm("000000"), "WRONG_SECOND_FACTOR")
    stopped = await refused(confirm(people.totp_code(started.secret)), "TOO_MANY_ATTEMPTS")
    assert threats.labels("brute_force")._value.get() == counted + 1
    assert (await kinds(call, ines.caller)).count("account.second_factor_refused") == 10
    clock.pass_time(seconds=int(stopped.metadata["retry_after"]) + 1)
    assert (await confirm(people.totp_code(started.secret))).recovery_codes
    # What is not there, or on already, is no try: nobody can use the owner's up so.
    for _ in range(11):
        await refused(confirm("000000"), "SECOND_FACTOR_ON")
    await people.completed(await people.asked(PERSON), totp_code=people.totp_code(started.secret, 1))
