"""The checks of a deploy, and what they cannot see from outside."""

import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest

from devstack.testing import CLEANUP_INTERVAL_S, Stack

pytestmark = pytest.mark.xdist_group("stack")

WAIT_S = 60


def test_make_smoke_passes_against_the_stack(stack: Stack) -> None:
    smoke = [sys.executable, "-m", "devstack", "smoke", stack.url]
    done = subprocess.run(
        smoke, env={"NEOFORGE_TOKEN": stack.token("ines"), "PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_expired_key_disappears_within_a_period_and_is_new_again(stack: Stack) -> None:
    key = {"Idempotency-Key": f'"{uuid4()}"'}
    body = {"name": f"Expired {uuid4().hex[:8]}"}
    with stack.client() as client, psycopg.connect(_admin(stack), autocommit=True) as admin:
        first = client.post("/api/v1/projects", json=body, headers=key).json()
        kept = {"Idempotency-Key": f'"{uuid4()}"'}
        other = client.post("/api/v1/projects", json={"name": body["name"] + " kept"}, headers=kept).json()
        (mine,) = admin.execute(
            "UPDATE projects.idempotency_keys SET expires_at = now() - interval '1 second' WHERE key = %s RETURNING 1",
            [key["Idempotency-Key"].strip('"')],
        ).fetchall()
        assert mine
        deadline = time.monotonic() + CLEANUP_INTERVAL_S + WAIT_S
        while admin.execute("SELECT FROM projects.idempotency_keys WHERE expires_at < now()").fetchall():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        again = client.post("/api/v1/projects", json=body | {"slug": f"again-{uuid4().hex[:8]}"}, headers=key)
        assert (again.status_code, again.json()["id"] != first["id"]) == (201, True)
        live = client.post("/api/v1/projects", json={"name": body["name"] + " kept"}, headers=kept)
        assert (live.status_code, live.json()["id"]) == (200, other["id"])


def test_the_edge_tells_how_deep_the_queues_are(stack: Stack) -> None:
    with stack.client(None) as client:
        deadline = time.monotonic() + WAIT_S
        while 'celery_queue_depth{queue="projects.default"}' not in client.get("/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def _admin(stack: Stack) -> str:
    password = quote(Path(stack.data / "postgresql" / "superuser-password").read_text().strip(), safe="")
    return f"postgresql://postgres:{password}@127.0.0.1:{stack.port + 3}/neoforge"
