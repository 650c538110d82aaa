"""What the conformance suite makes, reads, changes and lists of this service."""

from google.protobuf.field_mask_pb2 import FieldMask

from auth.__main__ import SERVICE
from auth.tables import access_tokens
from chassis.testing.plugin import PASSWORD
from chassis.testing.specimen import Specimen
from neoforge.auth.v1 import access_tokens_pb2 as pb

SPECIMEN = Specimen(
    service=SERVICE,
    table=access_tokens,
    create=lambda n: ("CreateAccessToken", pb.CreateAccessTokenRequest(name=f"Token {n}")),
    read=lambda id_: ("GetAccessToken", pb.GetAccessTokenRequest(id=id_)),
    change=lambda id_, n: (
        "UpdateAccessToken",
        pb.UpdateAccessTokenRequest(
            access_token=pb.AccessToken(id=id_, name=f"Renamed {n}"), update_mask=FieldMask(paths=["name"])
        ),
    ),
    remove=lambda id_: ("RevokeAccessToken", pb.RevokeAccessTokenRequest(id=id_)),
    listing=lambda size, cursor: ("ListAccessTokens", pb.ListAccessTokensRequest(page_size=size, cursor=cursor)),
    filtered=lambda size, cursor: (
        "ListAccessTokens",
        pb.ListAccessTokensRequest(page_size=size, cursor=cursor, scope=pb.SCOPE_READ),
    ),
    resource=lambda reply: reply.access_token,
    items=lambda reply: reply.access_tokens,
    settings={
        "auth_secret": PASSWORD,
        "token_issuer": "https://forge.example.test",
        "token_audience": "neoforge",
        "smtp_url": "smtp://127.0.0.1",
        "mail_from": "NeoForge <no-reply@example.test>",
    },
)
