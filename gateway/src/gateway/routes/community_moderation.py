"""Categories, reports, and what moderators do."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Body, Path, Query
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic_core import to_json

from gateway.body import MERGE_PATCH
from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind, Tagged
from gateway.operations import Operations
from gateway.paging import PaginatedResponse, page_json, page_links
from gateway.representation import Answer, tag_of
from gateway.routes.community_json import (
    CASE_STATES,
    REPORT_REASONS,
    action_json,
    case_json,
    category_json,
)
from gateway.routes.community_models import (
    Action,
    ActionQuery,
    Case,
    CaseQuery,
    Category,
    CategoryChanges,
    Decision,
    NewCategory,
    Report,
)
from gateway.routes.community_posts import ITEM, ROOT, PostId, stubs
from gateway.routes.community_replies import REPLY, ReplyId
from neoforge.common.v1.page_pb2 import Page
from neoforge.community.v1 import categories_pb2, content_pb2
from neoforge.community.v1 import moderation_pb2 as pb

categories: Final = Operations("community")
moderation: Final = Operations("community moderation", group="community")

_CATEGORIES: Final = ROOT + "/categories"
_CATEGORY: Final = _CATEGORIES + "/{slug}"
_QUEUE: Final = ROOT + "/moderation/queue"
_LOG: Final = ROOT + "/moderation/log"
_POST: Final = ROOT + "/moderation/posts/{post_id:id}"
_REPLY: Final = ROOT + "/moderation/replies/{reply_id:id}"

Slug = Annotated[str, Path(description="The category.")]
Patch = Annotated[CategoryChanges, Body(media_type="application/merge-patch+json")]


@categories.serve(
    _CATEGORIES, Declaration(Kind.READ, "GET", PaginatedResponse[Category], tagged=Tagged.CONTENT, public=True)
)
async def list_categories(call: Call) -> Answer:
    """List all categories by position."""
    reply = await call.ask(stubs(call).categories.ListCategories, categories_pb2.ListCategoriesRequest())
    rows = [category_json(category) for category in reply.message.categories]
    body = to_json(page_json(rows, Page(total=len(rows), total_exact=True, page=1, page_size=max(1, len(rows)))))
    return Answer(body, tag=tag_of(body))


@categories.serve(_CATEGORY, Declaration(Kind.READ, "GET", Category, public=True))
async def get_category(call: Call, slug: Slug) -> Answer:
    """Read one category."""
    known = call.preconditions.known_version(gzip_accepted=call.gzip_accepted)
    request = categories_pb2.GetCategoryRequest(slug=slug, unless_version=known)
    reply = await call.ask(stubs(call).categories.GetCategory, request)
    if reply.message.WhichOneof("result") == "unchanged_version":
        return Answer(tag=str(reply.message.unchanged_version), unchanged=True)
    return _category(reply.message.category)


@categories.serve(
    _CATEGORIES,
    Declaration(
        Kind.CREATE,
        "POST",
        Category,
        success=HTTPStatus.CREATED,
        key=Key.REQUIRED,
        conflicts=("SLUG_TAKEN", "LIMIT_REACHED", "FORBIDDEN"),
    ),
)
async def create_category(call: Call, body: NewCategory) -> Answer:
    """Create a category; for moderators."""
    request = categories_pb2.CreateCategoryRequest(
        slug=body.slug, name=body.name, description=body.description, position=body.position
    )
    reply = await call.ask(stubs(call).categories.CreateCategory, request)
    made = reply.message.category
    location = f"{_CATEGORIES}/{made.slug}"
    return _category(made, status=HTTPStatus.CREATED, location=location, replayed=reply.replayed)


@categories.serve(_CATEGORY, Declaration(Kind.CHANGE, "PATCH", Category, key=Key.OPTIONAL, media_types=MERGE_PATCH))
async def update_category(call: Call, slug: Slug, body: Patch) -> Answer:
    """Change a category, as a JSON merge patch (RFC 7396); for moderators."""
    reply = await call.ask(
        stubs(call).categories.UpdateCategory,
        categories_pb2.UpdateCategoryRequest(
            category=categories_pb2.Category(
                slug=slug, name=body.name, description=body.description or "", position=body.position
            ),
            update_mask=FieldMask(paths=sorted(body.model_fields_set)),
            expected_version=await _expected_version(call, slug),
        ),
    )
    return _category(reply.message.category, replayed=reply.replayed)


@categories.serve(
    _CATEGORY,
    Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL, conflicts=("CATEGORY_IN_USE",)),
)
async def delete_category(call: Call, slug: Slug) -> Answer:
    """Delete a category without posts; for moderators."""
    request = categories_pb2.DeleteCategoryRequest(slug=slug, expected_version=await _expected_version(call, slug))
    reply = await call.ask(stubs(call).categories.DeleteCategory, request)
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


_REPORT: Final = Declaration(
    Kind.CHANGE,
    "POST",
    None,
    success=NO_CONTENT,
    key=Key.OPTIONAL,
    tagged=Tagged.CONTENT,
    conflicts=("ALREADY_REPORTED",),
)
_DECISION: Final = Declaration(Kind.CHANGE, "POST", Case, key=Key.OPTIONAL, tagged=Tagged.CONTENT)


@moderation.serve(ITEM + "/reports", _REPORT)
async def report_post(call: Call, post_id: PostId, body: Report) -> Answer:
    """Report another person's post to the moderators, once."""
    return await _report(call, content_pb2.Subject(post_id=post_id), body)


@moderation.serve(REPLY + "/reports", _REPORT)
async def report_reply(call: Call, reply_id: ReplyId, body: Report) -> Answer:
    """Report another person's reply to the moderators, once."""
    return await _report(call, content_pb2.Subject(reply_id=reply_id), body)


@moderation.serve(
    _QUEUE,
    Declaration(Kind.READ, "GET", PaginatedResponse[Case], has_cursor=True, conflicts=("FORBIDDEN",)),
)
async def list_cases(call: Call, query: Annotated[CaseQuery, Query()]) -> Answer:
    """List reported and hidden content, those waiting longest first; for moderators."""
    state = pb.CASE_STATE_UNSPECIFIED if query.state == "all" else CASE_STATES[query.state]
    request = pb.ListCasesRequest(
        state=state, page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""
    )
    reply = await call.ask(stubs(call).moderation.ListCases, request)
    body = to_json(page_json([case_json(case) for case in reply.message.cases], reply.message.page))
    return Answer(body, tag=tag_of(body), links=page_links(_QUEUE, query, reply.message.page))


@moderation.serve(
    _LOG,
    Declaration(Kind.READ, "GET", PaginatedResponse[Action], has_cursor=True, conflicts=("FORBIDDEN",)),
)
async def list_actions(call: Call, query: Annotated[ActionQuery, Query()]) -> Answer:
    """List what moderators did, last first; for moderators."""
    request = pb.ListActionsRequest(
        post_id=query.post or "", page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""
    )
    reply = await call.ask(stubs(call).moderation.ListActions, request)
    body = to_json(page_json([action_json(action) for action in reply.message.actions], reply.message.page))
    return Answer(body, tag=tag_of(body), links=page_links(_LOG, query, reply.message.page))


@moderation.serve(_POST + "/hide", _DECISION)
async def hide_post(call: Call, post_id: PostId, body: Decision) -> Answer:
    """Hide a post from readers; its author reads the reason. For moderators."""
    return await _decide(call, content_pb2.Subject(post_id=post_id), pb.DECISION_HIDE, body)


@moderation.serve(_POST + "/restore", _DECISION)
async def restore_post(call: Call, post_id: PostId, body: Decision) -> Answer:
    """Publish a hidden post again; for moderators."""
    return await _decide(call, content_pb2.Subject(post_id=post_id), pb.DECISION_RESTORE, body)


@moderation.serve(_POST + "/dismiss", _DECISION)
async def dismiss_post_reports(call: Call, post_id: PostId, body: Decision) -> Answer:
    """Leave a post as it is and close its case; for moderators."""
    return await _decide(call, content_pb2.Subject(post_id=post_id), pb.DECISION_DISMISS, body)


@moderation.serve(_REPLY + "/hide", _DECISION)
async def hide_reply(call: Call, reply_id: ReplyId, body: Decision) -> Answer:
    """Hide a reply from readers; its author reads the reason. For moderators."""
    return await _decide(call, content_pb2.Subject(reply_id=reply_id), pb.DECISION_HIDE, body)


@moderation.serve(_REPLY + "/restore", _DECISION)
async def restore_reply(call: Call, reply_id: ReplyId, body: Decision) -> Answer:
    """Publish a hidden reply again; for moderators."""
    return await _decide(call, content_pb2.Subject(reply_id=reply_id), pb.DECISION_RESTORE, body)


@moderation.serve(_REPLY + "/dismiss", _DECISION)
async def dismiss_reply_reports(call: Call, reply_id: ReplyId, body: Decision) -> Answer:
    """Leave a reply as it is and close its case; for moderators."""
    return await _decide(call, content_pb2.Subject(reply_id=reply_id), pb.DECISION_DISMISS, body)


def _category(category: categories_pb2.Category, **more: Any) -> Answer:
    return Answer(to_json(category_json(category)), tag=str(category.version), **more)


async def _report(call: Call, subject: content_pb2.Subject, body: Report) -> Answer:
    request = pb.ReportContentRequest(subject=subject, reason=REPORT_REASONS[body.reason], note=body.note)
    reply = await call.ask(stubs(call).moderation.ReportContent, request)
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


async def _decide(
    call: Call, subject: content_pb2.Subject, decision: "pb.Decision.ValueType", body: Decision
) -> Answer:
    request = pb.DecideCaseRequest(subject=subject, decision=decision, reason=body.reason)
    reply = await call.ask(stubs(call).moderation.DecideCase, request)
    return Answer(to_json(case_json(reply.message.case)), replayed=reply.replayed)


async def _expected_version(call: Call, slug: str) -> int:
    """Give the version that the request's preconditions ask for."""

    async def current() -> int:
        request = categories_pb2.GetCategoryRequest(slug=slug)
        return int((await call.look(stubs(call).categories.GetCategory, request)).category.version)

    return await call.preconditions.expected_version(current)
