"""Signs in and prints the access token: `sign_in.py URL MAIL PASSWORD`."""

from __future__ import annotations

import sys
import uuid

import httpx


def sign_in(url: str, mail: str, password: str) -> str:
    """Give an access token.

    Raises:
        httpx.HTTPError: there is none to be had.
    """
    answer = httpx.post(
        f"{url}/api/v1/auth/token",
        data={"grant_type": "password", "username": mail, "password": password},
        headers={"Idempotency-Key": f'"{uuid.uuid4()}"'},
        timeout=15,
        trust_env=False,
    )
    return str(answer.raise_for_status().json()["access_token"])


if __name__ == "__main__":
    print(sign_in(*sys.argv[1:]))
