"""The second factor: codes that work once, guessing that leads nowhere, and what takes a step-up."""

import asyncio
from datetime import UTC
from typing import Any

import pytest

from auth.testing import PASSWORD, People, caller_of, kinds, letters, refused, somewhere
from chassis.errors import RemoteError
from chassis.testing.client import Client
from chassis.testing.plugin import Logins
from chassis.threats import threats
from neoforge.auth.v1 import access_tokens_pb2, accounts_pb2, passkeys_pb2, second_factor_pb2, sessions_pb2

PERSON = "ines@example.test"
ANOTHER = "another horse battery staple"
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.7"


async def test_a_code_works_once_however_many_present_it_at_once(call: Client, people: People) -> None:
    _, kept = await people.begun(PERSON)
    pendings = [await people.asked(PERSON) for _ in range(8)]
    code = people.totp_code(kept.secret, 1)
    outcomes = await asyncio.gather(
        *(people.completed(pending, totp_code=code) for pending in pendings), return_exceptions=True
    )
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, RemoteError)] == ["INVALID_CODE"] * 7


async def test_an_older_code_is_not_taken_after_a_newer_one(call: Client, people: People) -> None:
    _, kept = await people.begun(PERSON)
    await people.completed(await people.asked(PERSON), totp_code=people.totp_code(kept.secret, 1))
    for steps in (0, 1):
        work = people.completed(await people.asked(PERSON), totp_code=people.totp_code(kept.secret, steps))
        await refused(work, "INVALID_CODE")


async def test_a_recovery_code_works_once_however_many_present_it_at_once(
    call: Client, people: People, database: Logins
) -> None:
    ines, kept = await people.begun(PERSON)
    pendings = [await people.asked(PERSON) for _ in range(8)]
    code = kept.recovery_codes[3].lower().replace("-", " ")
    outcomes = await asyncio.gather(
        *(people.completed(pending, recovery_code=code) for pending in pendings), return_exceptions=True
    )
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, RemoteError)] == ["INVALID_CODE"] * 7
    left = await call(ines.caller, "GetSecondFactor", second_factor_pb2.GetSecondFactorRequest())
    assert left.recovery_codes_left == 9
    assert letters(database)[-1] == "recovery_code_used"
    await people.completed(await people.asked(PERSON), recovery_code=kept.recovery_codes[4])


async def test_a_pending_sign_in_is_completed_once(call: Client, people: People) -> None:
    _, kept = await people.begun(PERSON)
    pending = await people.asked(PERSON)
    outcomes = await asyncio.gather(
        *(people.completed(pending, recovery_code=code) for code in kept.recovery_codes[:4]), return_exceptions=True
    )
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, RemoteError)]
    assert reasons == ["INVALID_PENDING_SIGN_IN"] * 3
    await people.completed(await people.asked(PERSON), recovery_code=kept.recovery_codes[9])


async def test_wrong_codes_void_the_sign_in_and_are_counted_by_account_until_a_while_later(
    call: Client, people: People, clock: Any, database: Logins
) -> None:
    _, kept = await people.begun(PERSON, HOME)
    counted = threats.labels("brute_force")._value.get()

    async def guess(pending: str, code: str = "000000") -> Any:
        return await people.completed(pending, ELSEWHERE, totp_code=code)

    pending = await people.asked(PERSON, address=ELSEWHERE)
    reasons = [(await refused(guess(pending), "INVALID_CODE", "INVALID_PENDING_SIGN_IN")).reason for _ in range(30)]
    assert reasons == ["INVALID_CODE"] * 5 + ["INVALID_PENDING_SIGN_IN"] * 25
    await refused(guess(pending, people.totp_code(kept.secret, 1)), "INVALID_PENDING_SIGN_IN")
    assert letters(database)[-1] == "second_factor_refused"

    again = await people.asked(PERSON, address=ELSEWHERE)
    for _ in range(5):
        await refused(guess(again), "INVALID_CODE")
    third = await people.asked(PERSON, address=ELSEWHERE)
    stopped = await refused(guess(third, people.totp_code(kept.secret, 1)), "TOO_MANY_ATTEMPTS")
    assert 0 < int(stopped.metadata["retry_after"]) <= 900
    assert threats.labels("brute_force")._value.get() > counted
    # Guessing from elsewhere does not lock the owner out at home.
    at_home = await people.completed(
        await people.asked(PERSON, address=HOME), HOME, totp_code=people.totp_code(kept.secret, 1)
    )
    trail = await kinds(call, caller_of(at_home))
    assert trail.count("account.second_factor_refused") == 10
    assert trail.count("session.second_factor_given_up") == 2
    assert trail.count("session.second_factor_asked") == 4
    # It is for a while: the same network is let in then.
    clock.pass_time(minutes=16)
    there = await people.asked(PERSON, address=ELSEWHERE)
    assert (await guess(there, people.totp_code(kept.secret, 1))).access_token


async def test_wrong_codes_that_are_spread_over_sign_ins_are_told_to_the_owner_once_in_a_window(
    call: Client, people: People, clock: Any, database: Logins
) -> None:
    await people.begun(PERSON, HOME)
    for windows in (1, 2):
        pendings = [await people.asked(PERSON, address=ELSEWHERE) for _ in range(4)]
        outcomes = await asyncio.gather(
            *(people.completed(pending, ELSEWHERE, totp_code="000000") for pending in pendings for _ in range(4)),
            return_exceptions=True,
        )
        reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, RemoteError)]
        assert (reasons.count("INVALID_CODE"), reasons.count("TOO_MANY_ATTEMPTS")) == (10, 6)
        assert letters(database).count("second_factor_refused") == windows
        clock.pass_time(minutes=16)


async def test_guesses_that_are_spread_over_a_day_end_too_and_the_next_day_goes_on(
    call: Client, people: People, clock: Any
) -> None:
    _, kept = await people.begun(PERSON, HOME)
    for _ in range(5):
        for _ in range(2):
            pending = await people.asked(PERSON, address=ELSEWHERE)
            for _ in range(5):
                await refused(people.completed(pending, ELSEWHERE, totp_code="000000"), "INVALID_CODE")
        clock.pass_time(minutes=16)
    pending = await people.asked(PERSON, address=ELSEWHERE)
    stopped = await refused(people.completed(pending, ELSEWHERE, totp_code="000000"), "TOO_MANY_ATTEMPTS")
    clock.pass_time(seconds=int(stopped.metadata["retry_after"]) + 1)
    pending = await people.asked(PERSON, address=ELSEWHERE)
    await people.completed(pending, ELSEWHERE, totp_code=people.totp_code(kept.secret, 1))


async def test_a_pending_sign_in_waits_ten_minutes_and_for_the_same_password(
    call: Client, people: People, clock: Any
) -> None:
    ines, kept = await people.begun(PERSON)
    late, outdated = await people.asked(PERSON), await people.asked(PERSON)
    change = accounts_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=ANOTHER)
    await call(ines.caller, "ChangePassword", change)
    await refused(people.completed(outdated, recovery_code=kept.recovery_codes[0]), "INVALID_PENDING_SIGN_IN")
    fresh = await people.asked(PERSON, ANOTHER)
    clock.pass_time(minutes=11)
    for pending in (late, fresh, "nfp_forged", ""):
        await refused(people.completed(pending, recovery_code=kept.recovery_codes[0]), "INVALID_PENDING_SIGN_IN")


async def test_a_password_reset_leaves_the_second_factor_on(call: Client, people: People) -> None:
    _, kept = await people.begun(PERSON)
    asked = await call(somewhere(), "RequestPasswordReset", accounts_pb2.RequestPasswordResetRequest(email=PERSON))
    reset = accounts_pb2.ResetPasswordRequest(
        reset_id=asked.reset_id, code=await people.code(PERSON), new_password=ANOTHER
    )
    await call(somewhere(), "ResetPassword", reset)
    pending = await people.asked(PERSON, ANOTHER)
    await people.completed(pending, totp_code=people.totp_code(kept.secret, 1))


SENSITIVE: list[tuple[str, Any]] = [
    ("DisableTotp", second_factor_pb2.DisableTotpRequest()),
    ("BeginTotp", second_factor_pb2.BeginTotpRequest()),
    ("RenewRecoveryCodes", second_factor_pb2.RenewRecoveryCodesRequest()),
    ("BeginPasskeyRegistration", passkeys_pb2.BeginPasskeyRegistrationRequest()),
    (
        "FinishPasskeyRegistration",
        passkeys_pb2.FinishPasskeyRegistrationRequest(
            challenge_id="018f0000-0000-7000-8000-000000000009", name="x", credential="{}"
        ),
    ),
    ("DeletePasskey", passkeys_pb2.DeletePasskeyRequest(id="018f0000-0000-7000-8000-000000000009")),
    ("ChangePassword", accounts_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=ANOTHER)),
    ("CreateAccessToken", access_tokens_pb2.CreateAccessTokenRequest(name="x")),
]


def step_up(**proof: Any) -> sessions_pb2.StepUpRequest:
    if "password" in proof:
        return sessions_pb2.StepUpRequest(**proof)
    return sessions_pb2.StepUpRequest(factor=sessions_pb2.FactorProof(**proof))


@pytest.mark.parametrize(("method", "request_"), SENSITIVE, ids=[method for method, _ in SENSITIVE])
async def test_what_is_sensitive_takes_a_second_factor_that_was_proved_lately(
    call: Client, people: People, clock: Any, method: str, request_: Any
) -> None:
    await people.registered(PERSON)
    # A session from before the second factor was turned on knows the password alone, however fresh it is.
    before, ines = await people.signed_in(PERSON), await people.signed_in(PERSON)
    kept = await people.enrolled(ines)
    await refused(call(before.caller, method, request_), "STEP_UP_REQUIRED")
    clock.pass_time(minutes=11)
    old = await refused(call(ines.caller, method, request_), "STEP_UP_REQUIRED")
    assert old.metadata["methods"] == "totp,recovery_code"
    await refused(call(ines.caller, "StepUp", step_up(password=PASSWORD)), "STEP_UP_REQUIRED")
    await refused(call(ines.caller, "StepUp", step_up(totp_code="000000")), "WRONG_SECOND_FACTOR")
    stepped = await call(ines.caller, "StepUp", step_up(totp_code=people.totp_code(kept.secret)))
    left_s = (stepped.expires_at.ToDatetime(UTC) - clock()).total_seconds()
    assert 590 < left_s <= 600
    try:
        await call(ines.caller, method, request_)
    except RemoteError as other:
        assert other.reason in {"SECOND_FACTOR_ON", "NOT_FOUND", "INVALID_FIELDS"}  # noqa: PT017 - it was let through
    await refused(call(before.caller, method, request_), "STEP_UP_REQUIRED", "UNAUTHENTICATED")


async def test_without_a_second_factor_the_password_steps_a_session_up(
    call: Client, people: People, clock: Any
) -> None:
    await people.registered(PERSON)
    ines = await people.signed_in(PERSON)
    wish = access_tokens_pb2.CreateAccessTokenRequest(name="Deploys")
    await call(ines.caller, "CreateAccessToken", wish)
    clock.pass_time(minutes=11)
    old = await refused(call(ines.caller, "CreateAccessToken", wish), "STEP_UP_REQUIRED")
    assert old.metadata["methods"] == "password"
    await refused(call(ines.caller, "StepUp", step_up(password="wrong")), "WRONG_PASSWORD")
    await refused(call(ines.caller, "StepUp", sessions_pb2.StepUpRequest()), "INVALID_FIELDS")
    await call(ines.caller, "StepUp", step_up(password=PASSWORD))
    await call(ines.caller, "CreateAccessToken", wish)
    assert "session.stepped_up" in await kinds(call, ines.caller)
    for _ in range(10):
        await refused(call(ines.caller, "StepUp", step_up(password="wrong")), "WRONG_PASSWORD")
    await refused(call(ines.caller, "StepUp", step_up(password=PASSWORD)), "TOO_MANY_ATTEMPTS")


async def test_a_step_up_holds_for_its_own_session_alone_and_ends_with_it(call: Client, people: People) -> None:
    ines, kept = await people.begun(PERSON)
    await people.registered("mara@example.test")
    mara = await people.signed_in("mara@example.test")
    await call(ines.caller, "RevokeSession", sessions_pb2.RevokeSessionRequest(id=ines.tokens.session_id))
    await refused(call(ines.caller, "RenewRecoveryCodes", SENSITIVE[2][1]), "STEP_UP_REQUIRED")
    proof = step_up(recovery_code=kept.recovery_codes[0])
    await refused(call(ines.caller, "StepUp", proof), "NOT_FOUND")
    await refused(call(mara.caller, "StepUp", proof), "WRONG_SECOND_FACTOR")
    # What was refused was not used up.
    await people.completed(await people.asked(PERSON), recovery_code=kept.recovery_codes[0])
