"""Who is told of incidents by mail: addresses that confirm it by a link.

Opening a link changes nothing: programs that look for bad links open them too. It shows a page with a button.
"""

from html import escape
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Path, Query
from pydantic_core import to_json

from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind, Tagged
from gateway.operations import Operations
from gateway.paging import PageQuery, PaginatedResponse, page_json, page_links
from gateway.representation import Answer, tag_of
from gateway.routes import status_subscriptions_models as models
from gateway.routes.status_json import subscriber_json
from gateway.routes.status_page import ROOT, stubs
from neoforge.status.v1 import subscribers_pb2 as pb

subscriptions: Final = Operations("status")

_SUBSCRIPTIONS: Final = ROOT + "/subscriptions"
_LINK: Final = _SUBSCRIPTIONS + "/{token:token}"
_SUBSCRIBERS: Final = ROOT + "/subscribers"
_HTML: Final = "text/html; charset=utf-8"

Token = Annotated[str, Path(description="The token of the link.", json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"})]
SubscriberId = Annotated[str, Path(description="The subscriber's id.", json_schema_extra={"format": "uuid"})]


@subscriptions.serve(
    _SUBSCRIPTIONS,
    Declaration(
        Kind.CHANGE,
        "POST",
        models.Said,
        success=HTTPStatus.ACCEPTED,
        key=Key.OPTIONAL,
        tagged=Tagged.CONTENT,
        credentials="mails",
    ),
)
async def subscribe(call: Call, body: models.NewSubscription) -> Answer:
    """Have an address asked by mail whether it wants to be told; the answer never says whether it was known."""
    reply = await call.ask(
        stubs(call).subscribers.Subscribe, pb.SubscribeRequest(email=body.email, language=body.language)
    )
    said = {"message": "If the address is not subscribed yet, it gets a mail with a link by which to confirm."}
    return Answer(to_json(said), status=HTTPStatus.ACCEPTED, replayed=reply.replayed)


@subscriptions.serve(
    _LINK, Declaration(Kind.READ, "GET", None, tagged=Tagged.CONTENT, credentials="anonymous", media_type=_HTML)
)
async def show_subscription(call: Call, token: Token) -> Answer:
    """Show what a link is for, with a button that does it."""
    found = (await call.ask(stubs(call).subscribers.GetSubscription, pb.GetSubscriptionRequest(token=token))).message
    address = f"{_SUBSCRIPTIONS}/{token}"
    end = _button(address, "Unsubscribe")
    if found.confirmed:
        return _page("You are subscribed", f"{found.email} is told of incidents and planned maintenance.", end)
    confirm = _button(f"{address}/confirm", "Confirm")
    return _page("Confirm your subscription", f"Do you want news of our status sent to {found.email}?", confirm + end)


@subscriptions.serve(
    _LINK + "/confirm",
    Declaration(Kind.CHANGE, "POST", models.Said, key=Key.OPTIONAL, tagged=Tagged.CONTENT, credentials="anonymous"),
)
async def confirm_subscription(call: Call, token: Token) -> Answer:
    """Confirm a subscription; again, which changes nothing."""
    reply = await call.ask(stubs(call).subscribers.ConfirmSubscription, pb.ConfirmSubscriptionRequest(token=token))
    return _said(call, "Confirmed", f"{reply.message.email} is told of incidents and planned maintenance.")


@subscriptions.serve(
    _LINK,
    Declaration(Kind.CHANGE, "POST", models.Said, key=Key.OPTIONAL, tagged=Tagged.CONTENT, credentials="anonymous"),
)
async def unsubscribe(call: Call, token: Token) -> Answer:
    """End a subscription, by the one click of a mail program too (RFC 8058); again, which changes nothing."""
    await call.ask(stubs(call).subscribers.Unsubscribe, pb.UnsubscribeRequest(token=token))
    return _said(call, "Unsubscribed", "The address is forgotten, and gets nothing more.")


@subscriptions.serve(_SUBSCRIBERS, Declaration(Kind.READ, "GET", PaginatedResponse[models.Subscriber], has_cursor=True))
async def list_subscribers(call: Call, query: Annotated[PageQuery, Query()]) -> Answer:
    """List the mail subscribers, the newest first; for admins."""
    request = pb.ListSubscribersRequest(page_size=query.page_size, page=query.page or 0, cursor=query.cursor or "")
    reply = (await call.ask(stubs(call).subscribers.ListSubscribers, request)).message
    body = to_json(page_json([subscriber_json(one) for one in reply.subscribers], reply.page))
    return Answer(body, tag=tag_of(body), links=page_links(_SUBSCRIBERS, query, reply.page))


@subscriptions.serve(
    _SUBSCRIBERS + "/{subscriber_id:id}",
    Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL, tagged=Tagged.CONTENT),
)
async def delete_subscriber(call: Call, subscriber_id: SubscriberId) -> Answer:
    """End a subscription and forget the address; for admins."""
    request = pb.DeleteSubscriberRequest(id=subscriber_id)
    reply = await call.ask(stubs(call).subscribers.DeleteSubscriber, request)
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


def _said(call: Call, title: str, message: str) -> Answer:
    """Answer a browser with a page, and programs with JSON."""
    if "text/html" in call.headers.get("accept", ""):
        return _page(title, message, "")
    return Answer(to_json({"message": message}))


def _button(address: str, text: str) -> str:
    return f'<form method="post" action="{escape(address)}"><button>{escape(text)}</button></form>'


def _page(title: str, message: str, buttons: str) -> Answer:
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)} · NeoForge</title></head>"
        f"<body><main><h1>{escape(title)}</h1><p>{escape(message)}</p>{buttons}</main></body></html>"
    ).encode()
    return Answer(body, tag=tag_of(body), media_type=_HTML)
