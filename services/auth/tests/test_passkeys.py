"""Passkeys, with an authenticator that is real in everything but its hardware."""

import asyncio
import json
from typing import Any

import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from auth.testing import People, SignedIn, caller_of, kinds, letters, somewhere
from auth.testing_authenticator import PRESENT, Authenticator, registered
from chassis.errors import RemoteError
from chassis.testing.client import Client
from chassis.testing.plugin import Logins
from chassis.threats import threats
from neoforge.auth.v1 import passkeys_pb2, second_factor_pb2, sessions_pb2

ORIGIN = "https://forge.example.test"
PERSON = "ines@example.test"


@pytest.fixture
def phone() -> Authenticator:
    return Authenticator(ORIGIN)


async def answered(
    call: Client,
    device: Authenticator,
    purpose: Any = passkeys_pb2.PASSKEY_PURPOSE_SIGN_IN,
    caller: Any = None,
    pending: str = "",
) -> sessions_pb2.PasskeyAnswer:
    request = passkeys_pb2.BeginPasskeyProofRequest(purpose=purpose, pending=pending)
    begun = await call(caller or somewhere(), "BeginPasskeyProof", request)
    credential = json.dumps(device.sign(json.loads(begun.options)))
    return sessions_pb2.PasskeyAnswer(challenge_id=begun.challenge_id, credential=credential)


async def sign_in(call: Client, answer: sessions_pb2.PasskeyAnswer) -> sessions_pb2.Tokens:
    request = sessions_pb2.SignInWithPasskeyRequest(passkey=answer)
    tokens: sessions_pb2.Tokens = (await call(somewhere(), "SignInWithPasskey", request)).tokens
    return tokens


async def refused(call: Client, answer: sessions_pb2.PasskeyAnswer) -> None:
    with pytest.raises(RemoteError) as wrong:
        await sign_in(call, answer)
    assert wrong.value.reason == "INVALID_PASSKEY"


async def signed_in(people: People) -> SignedIn:
    await people.registered(PERSON)
    return await people.signed_in(PERSON)


async def test_a_passkey_signs_in_without_address_or_password_until_it_is_removed(
    call: Client, people: People, phone: Authenticator, database: Logins
) -> None:
    ines = await signed_in(people)
    passkey = await registered(call, ines.caller, phone)
    assert (passkey.name, passkey.version, passkey.synced) == ("Phone", 1, False)
    tokens = await sign_in(call, await answered(call, phone))
    assert caller_of(tokens).subject == ines.caller.subject
    await sign_in(call, await answered(call, phone))
    listed = (await call(ines.caller, "ListPasskeys", passkeys_pb2.ListPasskeysRequest())).passkeys
    assert [(found.id, found.HasField("last_used_at")) for found in listed] == [(passkey.id, True)]
    await call(ines.caller, "DeletePasskey", passkeys_pb2.DeletePasskeyRequest(id=passkey.id))
    await refused(call, await answered(call, phone))
    trail = await kinds(call, ines.caller)
    assert {"passkey.added", "passkey.removed"} <= set(trail)
    assert letters(database)[-2:] == ["passkey_added", "passkey_removed"]


async def test_a_passkey_is_renamed_and_nobody_else_sees_it(call: Client, people: People, phone: Authenticator) -> None:
    ines = await signed_in(people)
    await people.registered("mara@example.test")
    mara = await people.signed_in("mara@example.test")
    passkey = await registered(call, ines.caller, phone)
    change = passkeys_pb2.UpdatePasskeyRequest(
        passkey=passkeys_pb2.Passkey(id=passkey.id, name="Old phone"),
        update_mask=FieldMask(paths=["name"]),
        expected_version=1,
    )
    assert (await call(ines.caller, "UpdatePasskey", change)).passkey.version == 2
    for caller, request, reason in (
        (ines.caller, change, "VERSION_MISMATCH"),
        (mara.caller, change, "NOT_FOUND"),
    ):
        with pytest.raises(RemoteError) as wrong:
            await call(caller, "UpdatePasskey", request)
        assert wrong.value.reason == reason
    with pytest.raises(RemoteError) as missing:
        await call(mara.caller, "GetPasskey", passkeys_pb2.GetPasskeyRequest(id=passkey.id))
    assert missing.value.reason == "NOT_FOUND"
    with pytest.raises(RemoteError) as missing:
        await call(mara.caller, "DeletePasskey", passkeys_pb2.DeletePasskeyRequest(id=passkey.id))
    assert missing.value.reason == "NOT_FOUND"


async def test_a_challenge_is_good_once_even_when_raced_and_for_five_minutes(
    call: Client, people: People, phone: Authenticator, clock: Any
) -> None:
    ines = await signed_in(people)
    await registered(call, ines.caller, phone)
    answer = await answered(call, phone)
    outcomes = await asyncio.gather(*(sign_in(call, answer) for _ in range(8)), return_exceptions=True)
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, RemoteError)]
    assert reasons == ["INVALID_PASSKEY"] * 7
    late = await answered(call, phone)
    clock.pass_time(minutes=6)
    await refused(call, late)


async def test_a_failed_answer_uses_its_challenge_up(call: Client, people: People, phone: Authenticator) -> None:
    ines = await signed_in(people)
    await registered(call, ines.caller, phone)
    answer = await answered(call, phone)
    broken = sessions_pb2.PasskeyAnswer(challenge_id=answer.challenge_id, credential="{}")
    await refused(call, broken)
    await refused(call, answer)


async def test_an_answer_from_another_page_or_domain_or_without_an_unlocked_device_is_refused(
    call: Client, people: People, phone: Authenticator
) -> None:
    ines = await signed_in(people)
    await registered(call, ines.caller, phone)
    for name, value in (("origin", "https://evil.example"), ("domain", "evil.example"), ("flags", PRESENT)):
        good = getattr(phone, name)
        setattr(phone, name, value)
        await refused(call, await answered(call, phone))
        with pytest.raises(RemoteError) as wrong:
            await registered(call, ines.caller, phone)
        assert [violation.field for violation in wrong.value.violations] == ["credential"]
        phone.keys.popitem()
        setattr(phone, name, good)
    assert (await sign_in(call, await answered(call, phone))).access_token


async def test_a_passkey_whose_count_does_not_grow_lets_nobody_in_and_its_owner_is_told(
    call: Client, people: People, phone: Authenticator, database: Logins
) -> None:
    ines = await signed_in(people)
    await registered(call, ines.caller, phone)
    await sign_in(call, await answered(call, phone))
    (key,) = phone.keys.values()
    key.count -= 1  # as a copy that was made before would
    counted = threats.labels("passkey_copy")._value.get()
    await refused(call, await answered(call, phone))
    assert threats.labels("passkey_copy")._value.get() == counted + 1
    assert "passkey.copy_suspected" in await kinds(call, ines.caller)
    assert letters(database)[-1] == "passkey_copied"
    key.count += 5
    assert (await sign_in(call, await answered(call, phone))).access_token


async def test_an_authenticator_that_counts_nothing_is_taken(call: Client, people: People) -> None:
    ines = await signed_in(people)
    device = Authenticator(ORIGIN, step=0)
    await registered(call, ines.caller, device)
    for _ in range(2):
        assert (await sign_in(call, await answered(call, device))).access_token


async def test_an_answer_is_good_for_its_own_purpose_and_person_alone(
    call: Client, people: People, phone: Authenticator
) -> None:
    ines = await signed_in(people)
    await registered(call, ines.caller, phone)
    await people.registered("mara@example.test")
    mara = await people.signed_in("mara@example.test")
    for_step_up = await answered(call, phone, passkeys_pb2.PASSKEY_PURPOSE_STEP_UP, ines.caller)
    await refused(call, for_step_up)
    # Of Ines's passkey, to a challenge of Mara's: her own would be asked for, so it is signed unasked.
    begun = await call(
        mara.caller,
        "BeginPasskeyProof",
        passkeys_pb2.BeginPasskeyProofRequest(purpose=passkeys_pb2.PASSKEY_PURPOSE_STEP_UP),
    )
    (id_,) = phone.keys
    credential = json.dumps(phone.sign(json.loads(begun.options), id_))
    foreign = sessions_pb2.PasskeyAnswer(challenge_id=begun.challenge_id, credential=credential)
    request = sessions_pb2.StepUpRequest(factor=sessions_pb2.FactorProof(passkey=foreign))
    with pytest.raises(RemoteError) as wrong:
        await call(mara.caller, "StepUp", request)
    assert wrong.value.reason == "WRONG_SECOND_FACTOR"


async def test_a_passkey_steps_a_session_up(call: Client, people: People, phone: Authenticator, clock: Any) -> None:
    ines = await signed_in(people)
    passkey = await registered(call, ines.caller, phone)
    clock.pass_time(minutes=11)
    removal = passkeys_pb2.DeletePasskeyRequest(id=passkey.id)
    with pytest.raises(RemoteError) as old:
        await call(ines.caller, "DeletePasskey", removal)
    assert (old.value.reason, old.value.metadata["methods"]) == ("STEP_UP_REQUIRED", "password,passkey")
    answer = await answered(call, phone, passkeys_pb2.PASSKEY_PURPOSE_STEP_UP, ines.caller)
    proof = sessions_pb2.StepUpRequest(factor=sessions_pb2.FactorProof(passkey=answer))
    await call(ines.caller, "StepUp", proof)
    await call(ines.caller, "DeletePasskey", removal)


async def test_no_rubbish_in_place_of_an_answer_is_an_error_of_ours(
    call: Client, people: People, phone: Authenticator
) -> None:
    ines = await signed_in(people)
    await registered(call, ines.caller, phone)
    good = json.loads((await answered(call, phone)).credential)
    rubbish: list[str] = ["", "null", "[]", "{}", "{" * 5_000, "x" * 30_000, '"\ud7ff"', json.dumps({"id": 1})]
    rubbish += [
        json.dumps({**good, "response": {**good["response"], name: value}})
        for name in ("clientDataJSON", "authenticatorData", "signature", "userHandle")
        for value in ("", "AA", "!", None, 7, "_" * 40, "oA")
    ]
    for text in rubbish:
        sign_in_asked = await call(
            somewhere(),
            "BeginPasskeyProof",
            passkeys_pb2.BeginPasskeyProofRequest(purpose=passkeys_pb2.PASSKEY_PURPOSE_SIGN_IN),
        )
        await refused(call, sessions_pb2.PasskeyAnswer(challenge_id=sign_in_asked.challenge_id, credential=text))
        begun = await call(ines.caller, "BeginPasskeyRegistration", passkeys_pb2.BeginPasskeyRegistrationRequest())
        request = passkeys_pb2.FinishPasskeyRegistrationRequest(
            challenge_id=begun.challenge_id, credential=text, name="x"
        )
        with pytest.raises(RemoteError) as wrong:
            await call(ines.caller, "FinishPasskeyRegistration", request)
        assert wrong.value.reason == "INVALID_FIELDS"


async def test_a_passkey_that_is_registered_already_is_not_registered_again_and_twenty_are_enough(
    call: Client, people: People, phone: Authenticator, database: Logins
) -> None:
    ines = await signed_in(people)
    await registered(call, ines.caller, phone)
    begun = await call(ines.caller, "BeginPasskeyRegistration", passkeys_pb2.BeginPasskeyRegistrationRequest())
    (known,) = json.loads(begun.options)["excludeCredentials"]
    assert known["transports"] == ["hybrid", "internal"]
    with psycopg.connect(database.admin) as admin:
        admin.execute(
            b"INSERT INTO auth.passkeys SELECT gen_random_uuid(), account_id, n::text::bytea, public_key, 0, "
            b"transports, synced, name, created_at, updated_at, NULL, 1 FROM auth.passkeys, generate_series(1, 19) n"
        )
    with pytest.raises(RemoteError) as enough:
        await registered(call, ines.caller, Authenticator(ORIGIN))
    assert enough.value.reason == "LIMIT_REACHED"


async def test_a_passkey_needs_no_second_factor_beside_it(call: Client, people: People, phone: Authenticator) -> None:
    ines = await signed_in(people)
    await registered(call, ines.caller, phone)
    await people.enrolled(ines)
    tokens = await sign_in(call, await answered(call, phone))
    # It proves as much, so that what is sensitive is let through.
    codes = second_factor_pb2.RenewRecoveryCodesRequest()
    assert len((await call(caller_of(tokens), "RenewRecoveryCodes", codes)).recovery_codes) == 10
    pending = await people.asked(PERSON)
    answer = await answered(call, phone, passkeys_pb2.PASSKEY_PURPOSE_SECOND_FACTOR, pending=pending)
    done = await people.completed(pending, passkey=answer)
    assert caller_of(done).subject == ines.caller.subject


async def test_a_passkey_completes_a_sign_in_while_codes_are_stopped(
    call: Client, people: People, phone: Authenticator
) -> None:
    ines = await signed_in(people)
    await registered(call, ines.caller, phone)
    kept = await people.enrolled(ines)
    for _ in range(2):
        pending = await people.asked(PERSON)
        for _ in range(5):
            with pytest.raises(RemoteError):
                await people.completed(pending, totp_code="000000")
    pending = await people.asked(PERSON)
    with pytest.raises(RemoteError) as stopped:
        await people.completed(pending, totp_code=people.totp_code(kept.secret, 1))
    assert stopped.value.reason == "TOO_MANY_ATTEMPTS"
    answer = await answered(call, phone, passkeys_pb2.PASSKEY_PURPOSE_SECOND_FACTOR, pending=pending)
    assert caller_of(await people.completed(pending, passkey=answer)).subject == ines.caller.subject
