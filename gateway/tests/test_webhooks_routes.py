from typing import Any

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import LimitReached, NotFound
from gateway.testing.webhooks import StandInWebhooks
from neoforge.common.v1 import webhooks_pb2 as pb
from neoforge.common.v1.page_pb2 import Page

PATH = "/api/v1/webhooks"
ID = "018f0000-0000-7000-9000-000000000001"
MESSAGE = "018f0000-0000-7000-9000-000000000002"
ITEM = f"{PATH}/{ID}"
MOMENT = Timestamp(seconds=1_700_000_000, nanos=123_456_000)
WRITTEN = "2023-11-14T22:13:20.123456Z"
KEY = {"Idempotency-Key": '"k1"'}


def a_webhook(**fields: Any) -> pb.Webhook:
    given = {"enabled": True, "version": 1, **fields}
    return pb.Webhook(id=ID, url="https://hooks.example/in", created_at=MOMENT, updated_at=MOMENT, **given)


def a_page(total: int, **fields: Any) -> Page:
    return Page(total=total, total_exact=True, page=1, page_size=20, **fields)


def test_a_created_webhook_is_201_with_its_secret_once(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    webhooks.replies["CreateWebhook"] = pb.CreateWebhookResponse(webhook=a_webhook(), secret="whsec_x")
    body = {"url": "https://hooks.example/in", "events": ["project.created"], "contact": "ines@example.test"}
    answer = ines.post(PATH, json=body, headers=KEY)
    assert answer.status_code == 201
    assert answer.headers["Location"] == ITEM
    assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == ('"1"', "no-store")
    assert answer.json()["secret"] == "whsec_x"
    assert webhooks.asked == [pb.CreateWebhookRequest(**body)]
    webhooks.replies["GetWebhook"] = pb.GetWebhookResponse(webhook=a_webhook())
    read = ines.get(ITEM)
    assert read.json() == {name: value for name, value in answer.json().items() if name != "secret"}
    assert (read.json()["created_at"], read.json()["disabled_at"], read.json()["disabled_reason"]) == (
        WRITTEN,
        None,
        None,
    )


def test_a_webhook_needs_a_key_and_a_repetition_is_200(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    body = {"url": "https://hooks.example/in"}
    assert ines.post(PATH, json=body).status_code == 400
    assert webhooks.asked == []
    webhooks.replayed = True
    webhooks.replies["CreateWebhook"] = pb.CreateWebhookResponse(webhook=a_webhook(), secret="whsec_x")
    answer = ines.post(PATH, json=body, headers=KEY)
    assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (200, "true")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"url": "ftp://hooks.example/"}, "/url"),
        ({"url": "https://a:b@hooks.example/"}, "/url"),
        ({"url": "https://hooks.example/#x"}, "/url"),
        ({"url": "https://hooks.example/ x"}, "/url"),
        ({"url": "https://hooks.example/", "events": ["project.exploded"]}, "/events/0"),
        ({"url": "https://hooks.example/", "secret": "whsec_mine"}, "/secret"),
        ({"url": "https://hooks.example/", "description": "a\u0000b"}, "/description"),
    ],
)
def test_a_value_that_breaks_its_rule_is_422_before_the_service_is_asked(
    ines: httpx.Client, webhooks: StandInWebhooks, body: dict[str, Any], pointer: str
) -> None:
    answer = ines.post(PATH, json=body, headers=KEY)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert webhooks.asked == []


def test_the_limit_is_409(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    webhooks.replies["CreateWebhook"] = LimitReached("a person has at most 20 webhooks")
    answer = ines.post(PATH, json={"url": "https://hooks.example/in"}, headers=KEY)
    assert (answer.status_code, answer.json()["title"]) == (409, "A limit of the product is reached")


def test_what_is_anothers_is_404(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    webhooks.replies["GetWebhook"] = NotFound("there is no such webhook")
    assert ines.get(ITEM).status_code == 404
    assert ines.get(f"{PATH}/no-uuid").status_code == 404


def test_a_known_webhook_is_304(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    webhooks.replies["GetWebhook"] = pb.GetWebhookResponse(unchanged_version=3)
    answer = ines.get(ITEM, headers={"If-None-Match": '"3"'})
    assert (answer.status_code, answer.headers["ETag"]) == (304, '"3"')
    assert webhooks.asked == [pb.GetWebhookRequest(id=ID, unless_version=3)]


def test_a_patch_sends_what_it_names_for_the_version_that_if_match_names(
    ines: httpx.Client, webhooks: StandInWebhooks
) -> None:
    changed = a_webhook(version=8, disabled_reason=pb.DISABLED_REASON_OWNER, disabled_at=MOMENT)
    changed.enabled = False
    webhooks.replies["UpdateWebhook"] = pb.UpdateWebhookResponse(webhook=changed)
    answer = ines.patch(ITEM, json={"enabled": False, "contact": None}, headers={"If-Match": '"7"'})
    assert answer.status_code == 200
    (asked,) = webhooks.asked
    assert (list(asked.update_mask.paths), asked.expected_version) == (["contact", "enabled"], 7)
    assert (answer.json()["disabled_reason"], answer.json()["disabled_at"]) == ("owner", WRITTEN)
    assert answer.headers["ETag"] == '"8"'
    assert ines.patch(ITEM, json={}).status_code == 422


def test_a_deleted_webhook_is_204(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    assert ines.delete(ITEM, headers={"If-Match": '"7"'}).status_code == 204
    assert webhooks.asked == [pb.DeleteWebhookRequest(id=ID, expected_version=7)]


def test_a_list_is_paged_and_tagged(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    webhooks.replies["ListWebhooks"] = pb.ListWebhooksResponse(webhooks=[a_webhook()], page=a_page(2, next_cursor="c"))
    answer = ines.get(PATH, params={"page_size": 1})
    assert ([item["id"] for item in answer.json()["items"]], answer.json()["total"]) == ([ID], 2)
    assert answer.headers["Link"] == f'<{PATH}?page_size=1&cursor=c>; rel="next"'
    assert ines.get(PATH, params={"page_size": 1}, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert webhooks.asked[0] == pb.ListWebhooksRequest(page_size=1)


def test_a_rotated_secret_is_shown_once_and_the_overlap_passed_on(
    ines: httpx.Client, webhooks: StandInWebhooks
) -> None:
    webhooks.replies["RotateSecret"] = pb.RotateSecretResponse(secret="whsec_y", previous_until=MOMENT)
    answer = ines.post(f"{ITEM}/rotate-secret", json={"overlap_seconds": 0}, headers=KEY)
    assert (answer.status_code, answer.json()) == (200, {"secret": "whsec_y", "previous_until": WRITTEN})
    assert webhooks.asked[0].overlap.seconds == 0
    ines.post(f"{ITEM}/rotate-secret", json={}, headers={"Idempotency-Key": '"k2"'})
    assert webhooks.asked[1].overlap.seconds == 86_400
    for wrong in (-1, 604_801, "1", 1.5):
        refused = ines.post(f"{ITEM}/rotate-secret", json={"overlap_seconds": wrong}, headers=KEY)
        assert refused.status_code == 422
    assert ines.post(f"{ITEM}/rotate-secret", json={}).status_code == 400


def test_a_rotation_without_a_body_means_the_defaults(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    webhooks.replies["RotateSecret"] = pb.RotateSecretResponse(secret="whsec_y", previous_until=MOMENT)
    answer = ines.post(f"{ITEM}/rotate-secret", headers=KEY)
    assert (answer.status_code, webhooks.asked[0].overlap.seconds) == (200, 86_400)
    assert ines.post(f"{ITEM}/rotate-secret", content=b"{", headers=KEY).status_code == 415
    assert ines.post(PATH, headers=KEY).status_code == 415, "where a body must be, none is no default"


def test_a_repetition_of_what_was_202_is_200(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    webhooks.replies["SendTestEvent"] = pb.SendTestEventResponse(message_id=MESSAGE)
    assert ines.post(f"{ITEM}/test", headers=KEY).status_code == 202
    webhooks.replayed = True
    for path in ("test", f"messages/{MESSAGE}/replay"):
        again = ines.post(f"{ITEM}/{path}", headers=KEY)
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
        assert again.json() == {"message_id": MESSAGE}


def test_from_beyond_the_last_page_a_link_leads_back_to_it(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    beyond = Page(total=41, total_exact=True, page=9, page_size=20)
    webhooks.replies["ListWebhooks"] = pb.ListWebhooksResponse(page=beyond)
    assert ines.get(PATH, params={"page": 9}).headers["Link"] == f'<{PATH}?page=3>; rel="prev"'
    beyond.total_exact = False
    webhooks.replies["ListWebhooks"] = pb.ListWebhooksResponse(page=beyond)
    assert ines.get(PATH, params={"page": 9}).headers["Link"] == f'<{PATH}?page=8>; rel="prev"'


def test_a_test_and_a_replay_are_202_with_the_message(ines: httpx.Client, webhooks: StandInWebhooks) -> None:
    webhooks.replies["SendTestEvent"] = pb.SendTestEventResponse(message_id=MESSAGE)
    tested = ines.post(f"{ITEM}/test", headers=KEY)
    assert (tested.status_code, tested.json()) == (202, {"message_id": MESSAGE})
    replayed = ines.post(f"{ITEM}/messages/{MESSAGE}/replay", headers=KEY)
    assert (replayed.status_code, replayed.json()) == (202, {"message_id": MESSAGE})
    assert webhooks.asked == [
        pb.SendTestEventRequest(id=ID),
        pb.ReplayMessageRequest(webhook_id=ID, message_id=MESSAGE),
    ]
    assert ines.post(f"{ITEM}/test").status_code == 400
    assert ines.post(f"{ITEM}/messages/{MESSAGE}/replay").status_code == 400


def test_attempts_are_listed_with_status_duration_and_what_was_wrong(
    ines: httpx.Client, webhooks: StandInWebhooks
) -> None:
    failed = pb.Attempt(
        id=ID,
        message_id=MESSAGE,
        event_type="project.created",
        started_at=MOMENT,
        duration_ms=17,
        error="no answer within 15 s",
        next_attempt_at=MOMENT,
    )
    accepted = pb.Attempt(id=ID, message_id=MESSAGE, started_at=MOMENT, status=204)
    webhooks.replies["ListAttempts"] = pb.ListAttemptsResponse(attempts=[failed, accepted], page=a_page(2))
    answer = ines.get(f"{ITEM}/attempts", params={"message_id": MESSAGE})
    first, second = answer.json()["items"]
    assert (first["status"], first["duration_ms"], first["error"], first["next_attempt_at"]) == (
        None,
        17,
        "no answer within 15 s",
        WRITTEN,
    )
    assert (second["status"], second["error"], second["next_attempt_at"]) == (204, "", None)
    assert webhooks.asked == [pb.ListAttemptsRequest(webhook_id=ID, message_id=MESSAGE, page_size=20)]
    assert ines.get(f"{ITEM}/attempts", params={"message_id": "x"}).status_code == 422


@pytest.mark.parametrize("path", [PATH, ITEM, f"{ITEM}/attempts"])
def test_nobody_sees_webhooks_without_signing_in(client: httpx.Client, webhooks: StandInWebhooks, path: str) -> None:
    assert client.get(path).status_code == 401
    assert webhooks.asked == []
