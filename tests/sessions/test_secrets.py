"""What a session of use leaves behind: nothing in a dump of the database, in Redis or in a log lets anybody in."""

import json
import subprocess
from base64 import b32decode, urlsafe_b64decode

import httpx
import redis

from auth.testing import PASSWORD, People
from chassis.embedded.postgresql import installed_programs
from chassis.embedded.redis import Redis
from chassis.testing.plugin import Logins
from gateway.browser import COOKIE

from .conftest import ORIGIN, bearer, signed_in
from .installation import Installation
from .test_races import refreshed
from .test_second_factor import asked, code_of, completed, enrolled

AUTH = "/api/v1/auth"
ANOTHER, THIRD = "another horse battery staple", "a third horse battery staple"
OWN_PAGE = {"Origin": ORIGIN, "X-NeoForge-CSRF": "1"}


async def test_nothing_that_lets_in_stands_in_the_database_in_redis_or_in_a_log(
    gateways: list[httpx.AsyncClient],
    people: People,
    installation: Installation,
    email: str,
    redis_server: Redis,
) -> None:
    here, there = gateways
    await people.registered(email)
    tokens = await signed_in(here, email)
    next_ones = (await refreshed(there, tokens["refresh_token"])).json()
    made = await here.post(
        f"{AUTH}/access-tokens",
        json={"name": "Deploys"},
        headers={**bearer(tokens), "Idempotency-Key": '"k1"'},
    )
    assert made.status_code == 201, made.text
    assert (await there.get(f"{AUTH}/sessions", headers={"Authorization": f"Bearer {made.json()['token']}"})).is_error
    cookie = await here.post(
        f"{AUTH}/token", json={"username": email, "password": PASSWORD, "transport": "cookie"}, headers=OWN_PAGE
    )
    in_cookie = cookie.headers["set-cookie"].partition("=")[2].partition(";")[0]
    asking = {"Cookie": f"{COOKIE}={in_cookie}", **OWN_PAGE}
    rotated = await there.post(f"{AUTH}/refresh", json={}, headers=asking)
    assert rotated.status_code == 200, rotated.text
    here.cookies.clear()
    there.cookies.clear()

    secret, recovery_codes = await enrolled(there, next_ones)
    pending, left = await asked(here, email), await asked(there, email)
    assert (await completed(there, pending, recovery_code=recovery_codes[0])).status_code == 200
    assert (await completed(here, left, code="000000")).status_code == 401
    step_up = await here.post(f"{AUTH}/step-up", json={"code": code_of(secret, 1)}, headers=bearer(next_ones))
    assert step_up.status_code == 200, step_up.text
    change = {"current_password": PASSWORD, "new_password": ANOTHER}
    assert (await here.post(f"{AUTH}/password", json=change, headers=bearer(next_ones))).status_code == 200
    reset = await there.post(f"{AUTH}/password/reset", json={"email": email})
    mailed = await people.code(email)
    wish = {"reset_id": reset.json()["reset_id"], "new_password": THIRD}
    assert (await here.post(f"{AUTH}/password/reset/confirm", json={**wish, "code": mailed})).status_code == 204
    stale = await there.post(f"{AUTH}/token", json={"username": email, "password": ANOTHER})
    assert stale.status_code == 401
    await refreshed(here, tokens["refresh_token"])

    let_in = [
        PASSWORD,
        ANOTHER,
        THIRD,
        secret,
        pending,
        left,
        mailed,
        in_cookie,
        rotated.headers["set-cookie"].partition("=")[2].partition(";")[0],
        *recovery_codes,
        *(code.replace("-", "") for code in recovery_codes),
        made.json()["token"],
        *(pair[name] for pair in (tokens, next_ones) for name in ("access_token", "refresh_token")),
    ]
    raw = [b32decode(secret), *(proof_in(token) for token in let_in if token.startswith(("nfr_", "nft_", "nfp_")))]
    places = {
        "database": dump_of(installation.database),
        "redis": kept_in(redis_server),
        "logs": installation.lines,
    }
    assert email in places["database"]
    assert "session.signed_in" in places["logs"]
    for name, place in places.items():
        assert email not in place or name == "database"
        for text in let_in:
            assert text not in place, name
            assert text.partition("_")[2][-43:] not in place or "_" not in text, name
        for value in raw:
            assert value.hex() not in place, name


def proof_in(token: str) -> bytes:
    """Give the last 32 bytes of an opaque token, which nobody can guess."""
    text = token.partition("_")[2]
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))[-32:]


def dump_of(database: Logins) -> str:
    """Give what `pg_dump` makes of a database; bytes are in hex there."""
    dumped = subprocess.run(
        [str(installed_programs() / "pg_dump"), "--inserts", database.admin], capture_output=True, check=True, text=True
    )
    return dumped.stdout


def kept_in(server: Redis) -> str:
    """Give all of a Redis as text, with bytes in hex as well."""
    with redis.Redis.from_url(server.url) as client:
        found = [key + (client.dump(key) or b"") for key in client.scan_iter("*")]
    return json.dumps([[value.decode("latin-1"), value.hex()] for value in found])
