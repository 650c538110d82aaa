import base64
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
import svix.webhooks

from chassis.webhooks.signature import new_secret, signed_headers

BODY = '{"type":"project.created","data":{"name":"Ünïcödé 🚀"}}'


def test_both_public_verifiers_accept_a_signature_unchanged() -> None:
    secret = new_secret()
    headers = signed_headers("0193fd12", datetime.now(UTC), BODY, [secret])
    assert standardwebhooks.Webhook(secret).verify(BODY, headers)["type"] == "project.created"
    svix.webhooks.Webhook(secret).verify(BODY, headers)


def test_during_a_rotation_the_old_and_the_new_secret_both_verify_and_no_other_does() -> None:
    old, new, foreign = new_secret(), new_secret(), new_secret()
    headers = signed_headers("0193fd12", datetime.now(UTC), BODY, [new, old])
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(BODY, headers)
        svix.webhooks.Webhook(secret).verify(BODY, headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(foreign).verify(BODY, headers)


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp"])
def test_a_signature_covers_id_time_and_body(changed: str) -> None:
    secret = new_secret()
    headers = signed_headers("0193fd12", datetime.now(UTC), BODY, [secret])
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify(BODY + " ", headers)
    headers[changed] = str(int(headers["webhook-timestamp"]) + 1)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify(BODY, headers)


def test_an_old_signature_cannot_be_played_back() -> None:
    secret = new_secret()
    headers = signed_headers("0193fd12", datetime.now(UTC) - timedelta(minutes=6), BODY, [secret])
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify(BODY, headers)


def test_a_secret_holds_256_random_bits() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(s.startswith("whsec_") and len(base64.b64decode(s.removeprefix("whsec_"))) == 32 for s in secrets)
