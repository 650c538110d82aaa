"""What the conformance suite makes, reads, changes and lists of this service."""

from dataclasses import replace

from google.protobuf.field_mask_pb2 import FieldMask

from auth.__main__ import SERVICE
from auth.tables import access_tokens
from chassis.testing import specimen
from chassis.testing.plugin import PASSWORD
from chassis.testing.specimen import Specimen
from neoforge.auth.v1 import access_tokens_pb2 as pb

# A token is made in a session that was proved lately, so both people have an account and one.
MAKER, OTHER = (
    replace(person, session=f"018f0000-0000-7000-8000-0000005e55{number}")
    for number, person in ((10, specimen.MAKER), (20, specimen.OTHER))
)
ROWS = "".join(
    f"""
    INSERT INTO auth.accounts (id, email, email_key, name, language, password_hash, roles, created_at,
        password_changed_at)
    VALUES ('{person.subject}', '{person.subject}@example.test', '{person.subject}@example.test', '', 'en', 'x',
        ARRAY['user'], now(), now());
    INSERT INTO auth.user_sessions (id, user_id, seed, generation, hashed_refresh_token, rotated_at, label, user_agent,
        address, created_at, proved_at, last_used_at, expires_at, ends_at)
    VALUES ('{person.session}', '{person.subject}', '', 1, '{person.subject}', now(), '', '', '', now(), now(), now(),
        now() + interval '1 day', now() + interval '1 day');
    """  # noqa: S608 - of constants
    for person in (MAKER, OTHER)
)

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
    rows=ROWS,
    maker=MAKER,
    other=OTHER,
    settings={
        "auth_secret": PASSWORD,
        "token_issuer": "https://forge.example.test",
        "token_audience": "neoforge",
        "smtp_url": "smtp://127.0.0.1",
        "mail_from": "NeoForge <no-reply@example.test>",
    },
)
