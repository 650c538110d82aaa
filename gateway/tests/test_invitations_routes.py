import logging
from typing import Any

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import LimitReached, NotFound
from chassis.testing.waiting import wait_for
from gateway.testing.invitations import StandInInvitations
from neoforge.projects.v1 import invitations_pb2 as pb
from neoforge.projects.v1 import projects_pb2

PROJECT = "018f0000-0000-7000-9000-000000000001"
ID = "018f0000-0000-7000-9000-000000000002"
PERSON = "018f0000-0000-7000-8000-000000000001"
PATH = f"/api/v1/projects/{PROJECT}/invitations"
ITEM = f"{PATH}/{ID}"
TOKEN = "AY8AAAAAcACQAAAAAAAAAgAAAAF-Ebx_0Zq4nPv7Lw2Tk9sD"
LINK = f"/api/v1/invitations/{TOKEN}"
MOMENT = Timestamp(seconds=1_700_000_000, nanos=123_456_000)
WRITTEN = "2023-11-14T22:13:20.123456Z"
KEY = {"Idempotency-Key": '"k1"'}
BODY = {"email": "مارا@example.test", "role": "maintainer", "name": "Mara", "language": "de"}


def an_invitation() -> pb.Invitation:
    return pb.Invitation(
        id=ID,
        project_id=PROJECT,
        email="mara@example.test",
        role=projects_pb2.ROLE_MAINTAINER,
        language="de",
        invited_by=PERSON,
        created_at=MOMENT,
        sent_at=MOMENT,
        expires_at=MOMENT,
    )


def test_an_invitation_is_201_and_a_repetition_200(ines: httpx.Client, invitations: StandInInvitations) -> None:
    invitations.replies["InviteMember"] = pb.InviteMemberResponse(invitation=an_invitation())
    answer = ines.post(PATH, json=BODY, headers=KEY)
    assert (answer.status_code, answer.headers["Location"]) == (201, ITEM)
    assert answer.json() == {
        "id": ID,
        "project_id": PROJECT,
        "email": "mara@example.test",
        "name": "",
        "role": "maintainer",
        "language": "de",
        "invited_by": PERSON,
        "created_at": WRITTEN,
        "sent_at": WRITTEN,
        "expires_at": WRITTEN,
    }
    expected = pb.InviteMemberRequest(
        project_id=PROJECT, email=BODY["email"], name="Mara", role=projects_pb2.ROLE_MAINTAINER, language="de"
    )
    assert invitations.asked == [expected]
    invitations.replayed = True
    again = ines.post(PATH, json=BODY, headers=KEY)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert again.json() == answer.json()


def test_an_invitation_needs_a_key(ines: httpx.Client, invitations: StandInInvitations) -> None:
    assert ines.post(PATH, json=BODY).status_code == 400
    assert invitations.asked == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"email": "a\r\nBcc: b@example.test"}, "/email"),
        ({"email": ""}, "/email"),
        ({"name": "a\r\nb"}, "/name"),
        ({"role": "owner"}, "/role"),
        ({"language": "../x"}, "/language"),
        ({"message": "Buy this"}, "/message"),
    ],
)
def test_a_bad_invitation_is_422_and_is_not_asked_about(
    ines: httpx.Client, invitations: StandInInvitations, change: dict[str, Any], pointer: str
) -> None:
    answer = ines.post(PATH, json=BODY | change, headers=KEY)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert invitations.asked == []


def test_a_full_project_is_409(ines: httpx.Client, invitations: StandInInvitations) -> None:
    invitations.replies["InviteMember"] = LimitReached("a project has at most 100 pending invitations")
    answer = ines.post(PATH, json=BODY, headers=KEY)
    assert (answer.status_code, answer.json()["title"]) == (409, "A limit of the product is reached")


def test_the_list_has_a_tag_and_is_304_when_it_is_known(ines: httpx.Client, invitations: StandInInvitations) -> None:
    invitations.replies["ListInvitations"] = pb.ListInvitationsResponse(invitations=[an_invitation()])
    answer = ines.get(PATH)
    assert (answer.status_code, answer.json()["total"], len(answer.json()["items"])) == (200, 1, 1)
    assert ines.get(PATH, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_a_revoked_invitation_is_204(ines: httpx.Client, invitations: StandInInvitations) -> None:
    assert ines.delete(ITEM).status_code == 204
    assert invitations.asked == [pb.RevokeInvitationRequest(project_id=PROJECT, invitation_id=ID)]


def test_a_link_shows_what_it_invites_to_by_a_read_alone(ines: httpx.Client, invitations: StandInInvitations) -> None:
    invitations.replies["GetInvitation"] = pb.GetInvitationResponse(
        project_name="Apollo", email="mara@example.test", role=projects_pb2.ROLE_VIEWER, expires_at=MOMENT
    )
    answer = ines.get(LINK)
    assert answer.json() == {
        "project_name": "Apollo",
        "email": "mara@example.test",
        "name": "",
        "role": "viewer",
        "expires_at": WRITTEN,
        "accept": f"{LINK}/accept",
    }
    assert ines.head(LINK).status_code == 200
    assert {type(request) for request in invitations.asked} == {pb.GetInvitationRequest}
    assert ines.get(f"{LINK}/accept").status_code == 405


def test_an_accepted_invitation_says_what_the_caller_is_now(
    ines: httpx.Client, invitations: StandInInvitations
) -> None:
    member = projects_pb2.Member(user_id=PERSON, role=projects_pb2.ROLE_VIEWER, created_at=MOMENT)
    invitations.replies["AcceptInvitation"] = pb.AcceptInvitationResponse(project_id=PROJECT, member=member)
    answer = ines.post(f"{LINK}/accept")
    assert answer.status_code == 200
    assert answer.json() == {"project_id": PROJECT, "user_id": PERSON, "role": "viewer", "created_at": WRITTEN}
    assert invitations.asked == [pb.AcceptInvitationRequest(token=TOKEN)]


def test_a_link_that_is_good_no_more_is_404(ines: httpx.Client, invitations: StandInInvitations) -> None:
    invitations.replies["AcceptInvitation"] = invitations.replies["GetInvitation"] = NotFound("no such invitation")
    assert ines.get(LINK).status_code == 404
    assert ines.post(f"{LINK}/accept").status_code == 404


@pytest.mark.parametrize("token", ["a.b", "a%00", "%ff", "a" * 201, "%F0%9F%9A%80", "a=", "a%0d%0aX"])
def test_what_can_be_no_token_is_404_without_a_question(
    ines: httpx.Client, invitations: StandInInvitations, token: str
) -> None:
    assert ines.get(f"/api/v1/invitations/{token}").status_code in {400, 404}
    assert ines.post(f"/api/v1/invitations/{token}/accept").status_code in {400, 404}
    assert invitations.asked == []


def test_the_token_of_a_link_stands_in_no_log_line(
    ines: httpx.Client, invitations: StandInInvitations, caplog: pytest.LogCaptureFixture
) -> None:
    member = projects_pb2.Member(user_id=PERSON, role=projects_pb2.ROLE_VIEWER, created_at=MOMENT)
    invitations.replies["AcceptInvitation"] = pb.AcceptInvitationResponse(project_id=PROJECT, member=member)
    invitations.replies["GetInvitation"] = pb.GetInvitationResponse(role=projects_pb2.ROLE_VIEWER, expires_at=MOMENT)

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "gateway.access"]

    with caplog.at_level(logging.INFO, logger="gateway"):
        ines.get(LINK)
        ines.post(f"{LINK}/accept")
        wait_for(lambda: len(lines()) == 2)  # a line may come a moment after its answer
    assert lines() == [
        "GET /api/v1/invitations/{token} 200",
        "POST /api/v1/invitations/{token}/accept 200",
    ]


def test_whoever_is_not_signed_in_is_401(client: httpx.Client, invitations: StandInInvitations) -> None:
    for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", ITEM), ("GET", LINK), ("POST", f"{LINK}/accept")):
        assert client.request(method, path).status_code == 401
    assert invitations.asked == []
