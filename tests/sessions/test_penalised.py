"""Behind an address that is penalised for somebody else's attacks, honest people sign up, in, and stay signed in."""

from contextlib import AsyncExitStack
from uuid import uuid4

import httpx

from auth.testing import PASSWORD, People
from chassis.mail.addresses import Address
from chassis.testing.waiting import until

from .conftest import bearer, client_of, signed_in
from .installation import Installation


async def test_people_behind_a_penalised_address_sign_up_sign_in_and_refresh(
    installation: Installation, people: People, email: str
) -> None:
    shared = {"X-Forwarded-For": f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"}

    async def refused(gateway: httpx.AsyncClient) -> bool:
        await gateway.get("/.git/config", headers=shared)
        answer = await gateway.get("/api/v1/auth/me", headers=shared)
        return answer.json()["type"].endswith("/problems/address-penalised")

    async with AsyncExitStack() as stack:
        gateway = await client_of(stack, installation.start_gateway(NEOFORGE_PENALTY_S="3600"))
        await until(lambda: refused(gateway), 60)

        wish = {"email": email, "password": PASSWORD, "name": "Ines"}
        begun = await gateway.post("/api/v1/auth/register", json=wish, headers=shared)
        assert begun.status_code == 202, begun.text
        code = await people.code(Address.key_of(email))
        proof = {"registration_id": begun.json()["registration_id"], "code": code}
        confirmed = await gateway.post("/api/v1/auth/register/confirm", json=proof, headers=shared)
        assert confirmed.status_code == 201, confirmed.text

        tokens = await signed_in(gateway, email, **shared)
        again = await gateway.post(
            "/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}, headers=shared
        )
        assert again.status_code == 200, again.text
        assert (await gateway.get("/api/v1/auth/me", headers=bearer(again.json()) | shared)).status_code == 200
        await until(lambda: refused(gateway), 60)
