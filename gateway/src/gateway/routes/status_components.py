"""Components of the status page, their groups and what happens to them: read by anyone, written by the staff."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Body, Path, Query
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic_core import to_json

from gateway.body import MERGE_PATCH
from gateway.call import Call
from gateway.conditional import STATE_MARK
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind
from gateway.operations import Operations
from gateway.paging import page_json, page_links
from gateway.problems import Problem
from gateway.representation import Answer, tag_of
from gateway.routes import status_models as models
from gateway.routes.status_json import FRESH, STATUS, component_json, event_json, group_json, state_json
from gateway.routes.status_page import COMPONENT, ROOT, ComponentId, public_read, stubs
from neoforge.common.v1.page_pb2 import Page
from neoforge.status.v1 import components_pb2 as pb
from neoforge.status.v1 import events_pb2

components: Final = Operations("status")
groups: Final = Operations("status")
events: Final = Operations("status")

_COMPONENTS: Final = ROOT + "/components"
_GROUPS: Final = ROOT + "/groups"
_GROUP: Final = _GROUPS + "/{group_id:id}"
_EVENTS: Final = ROOT + "/events"

GroupId = Annotated[str, Path(description="The group's id.", json_schema_extra={"format": "uuid"})]
EventId = Annotated[str, Path(description="The event's id.", json_schema_extra={"format": "uuid"})]
ComponentPatch = Annotated[models.ComponentChanges, Body(media_type="application/merge-patch+json")]
GroupPatch = Annotated[models.GroupChanges, Body(media_type="application/merge-patch+json")]


def listed(items: list[dict[str, Any]], page: Page, path: str, query: Any) -> Answer:
    """Answer a public list."""
    body = to_json(page_json(items, page) | FRESH)
    return Answer(body, tag=tag_of(body), links=page_links(path, query, page))


@components.serve(_COMPONENTS, public_read(models.PublicPage[models.ComponentState], has_cursor=True))
async def list_components(call: Call, query: Annotated[models.ComponentQuery, Query()]) -> Answer:
    """List the components and how they fare, the newest first."""
    request = pb.ListComponentsRequest(
        group_id=query.group or "", page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""
    )
    reply = (await call.ask(stubs(call).components.ListComponents, request)).message
    return listed([state_json(state) for state in reply.components], reply.page, _COMPONENTS, query)


@components.serve(
    _COMPONENTS,
    Declaration(
        Kind.CREATE,
        "POST",
        models.Component,
        success=HTTPStatus.CREATED,
        key=Key.REQUIRED,
        conflicts=("SLUG_TAKEN", "LIMIT_REACHED", "NOT_FOUND", "FORBIDDEN"),
    ),
)
async def create_component(call: Call, body: models.NewComponent) -> Answer:
    """Create a component, operational from now on; for admins."""
    request = pb.CreateComponentRequest(
        slug=body.slug,
        name=body.name,
        description=body.description,
        group_id=body.group_id or "",
        position=body.position,
    )
    reply = await call.ask(stubs(call).components.CreateComponent, request)
    component = reply.message.component
    return Answer(
        to_json(component_json(component)),
        tag=str(component.version),
        status=HTTPStatus.CREATED,
        location=f"{_COMPONENTS}/{component.id}",
        replayed=reply.replayed,
    )


@components.serve(COMPONENT, Declaration(Kind.READ, "GET", models.ComponentState, public=True))
async def get_component(call: Call, component_id: ComponentId) -> Answer:
    """Read one component and how it fares. Its tag guards a change whatever happens to its status meanwhile."""
    reply = (await call.ask(stubs(call).components.GetComponent, pb.GetComponentRequest(id=component_id))).message
    body = to_json(state_json(reply.state))
    return Answer(body, tag=f"{reply.component.version}{STATE_MARK}{tag_of(body)}")


@components.serve(
    COMPONENT,
    Declaration(
        Kind.CHANGE,
        "PATCH",
        models.Component,
        key=Key.OPTIONAL,
        media_types=MERGE_PATCH,
        conflicts=("SLUG_TAKEN",),
        if_match_required=True,
    ),
)
async def update_component(call: Call, component_id: ComponentId, body: ComponentPatch) -> Answer:
    """Change a component, as a JSON merge patch (RFC 7396); for admins."""

    async def current() -> int:
        found = await call.look(stubs(call).components.GetComponent, pb.GetComponentRequest(id=component_id))
        return int(found.component.version)

    request = pb.UpdateComponentRequest(
        component=pb.Component(
            id=component_id,
            slug=body.slug,
            name=body.name,
            description=body.description or "",
            group_id=body.group_id or "",
            position=body.position,
        ),
        update_mask=FieldMask(paths=sorted(body.model_fields_set)),
        expected_version=await call.preconditions.without_state().expected_version(current),
    )
    reply = await call.ask(stubs(call).components.UpdateComponent, request)
    component = reply.message.component
    return Answer(to_json(component_json(component)), tag=str(component.version), replayed=reply.replayed)


@components.serve(
    COMPONENT,
    Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL, if_match_required=True),
)
async def delete_component(call: Call, component_id: ComponentId) -> Answer:
    """Delete a component with its events; for admins."""

    async def current() -> int:
        found = await call.look(stubs(call).components.GetComponent, pb.GetComponentRequest(id=component_id))
        return int(found.component.version)

    request = pb.DeleteComponentRequest(
        id=component_id, expected_version=await call.preconditions.without_state().expected_version(current)
    )
    reply = await call.ask(stubs(call).components.DeleteComponent, request)
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


@groups.serve(_GROUPS, public_read(models.PublicPage[models.Group]))
async def list_groups(call: Call) -> Answer:
    """List all groups, by position."""
    reply = (await call.ask(stubs(call).components.ListGroups, pb.ListGroupsRequest())).message
    items = [group_json(group) for group in reply.groups]
    all_of_them = Page(total=len(items), total_exact=True, page=1, page_size=max(1, len(items)))
    body = to_json(page_json(items, all_of_them) | FRESH)
    return Answer(body, tag=tag_of(body))


@groups.serve(
    _GROUPS,
    Declaration(
        Kind.CREATE,
        "POST",
        models.Group,
        success=HTTPStatus.CREATED,
        key=Key.REQUIRED,
        conflicts=("LIMIT_REACHED", "FORBIDDEN"),
    ),
)
async def create_group(call: Call, body: models.NewGroup) -> Answer:
    """Create a group; for admins."""
    request = pb.CreateGroupRequest(name=body.name, position=body.position)
    reply = await call.ask(stubs(call).components.CreateGroup, request)
    group = reply.message.group
    return Answer(
        to_json(group_json(group)),
        tag=str(group.version),
        status=HTTPStatus.CREATED,
        location=f"{_GROUPS}/{group.id}",
        replayed=reply.replayed,
    )


@groups.serve(_GROUP, Declaration(Kind.READ, "GET", models.Group, public=True))
async def get_group(call: Call, group_id: GroupId) -> Answer:
    """Read one group."""
    reply = (await call.ask(stubs(call).components.ListGroups, pb.ListGroupsRequest())).message
    found = next((group for group in reply.groups if group.id == group_id), None)
    if found is None:
        raise Problem("NOT_FOUND", "There is no such group.")
    return Answer(to_json(group_json(found)), tag=str(found.version))


@groups.serve(
    _GROUP,
    Declaration(Kind.CHANGE, "PATCH", models.Group, key=Key.OPTIONAL, media_types=MERGE_PATCH, if_match_required=True),
)
async def update_group(call: Call, group_id: GroupId, body: GroupPatch) -> Answer:
    """Change a group, as a JSON merge patch (RFC 7396); for admins."""
    request = pb.UpdateGroupRequest(
        group=pb.Group(id=group_id, name=body.name, position=body.position),
        update_mask=FieldMask(paths=sorted(body.model_fields_set)),
        expected_version=await call.preconditions.expected_version(lambda: _group_version(call, group_id)),
    )
    reply = await call.ask(stubs(call).components.UpdateGroup, request)
    group = reply.message.group
    return Answer(to_json(group_json(group)), tag=str(group.version), replayed=reply.replayed)


@groups.serve(
    _GROUP,
    Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL, if_match_required=True),
)
async def delete_group(call: Call, group_id: GroupId) -> Answer:
    """Delete a group; its components stay, in no group. For admins."""
    request = pb.DeleteGroupRequest(
        id=group_id,
        expected_version=await call.preconditions.expected_version(lambda: _group_version(call, group_id)),
    )
    reply = await call.ask(stubs(call).components.DeleteGroup, request)
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


async def _group_version(call: Call, group_id: str) -> int:
    found = await call.look(stubs(call).components.ListGroups, pb.ListGroupsRequest())
    return next((int(group.version) for group in found.groups if group.id == group_id), 0)


@events.serve(_EVENTS, public_read(models.PublicPage[models.Event], has_cursor=True))
async def list_events(call: Call, query: Annotated[models.EventQuery, Query()]) -> Answer:
    """List what happened to components, the newest first."""
    request = events_pb2.ListEventsRequest(
        component_id=query.component or "",
        status=STATUS[query.status] if query.status else pb.COMPONENT_STATUS_UNSPECIFIED,
        page_size=query.page_size,
        page=query.page or 0,
        cursor=query.cursor or "",
    )
    reply = (await call.ask(stubs(call).events.ListEvents, request)).message
    return listed([event_json(event) for event in reply.events], reply.page, _EVENTS, query)


@events.serve(
    _EVENTS,
    Declaration(
        Kind.CREATE,
        "POST",
        models.Event,
        success=HTTPStatus.CREATED,
        key=Key.REQUIRED,
        conflicts=("NOT_FOUND", "FORBIDDEN"),
    ),
)
async def create_event(call: Call, body: models.NewEvent) -> Answer:
    """Say how a component fares from now on; for agents and admins."""
    request = events_pb2.CreateEventRequest(
        component_id=body.component_id, status=STATUS[body.status], message=body.message
    )
    reply = await call.ask(stubs(call).events.CreateEvent, request)
    event = reply.message.event
    written = to_json(event_json(event))
    return Answer(
        written,
        tag=tag_of(written),
        status=HTTPStatus.CREATED,
        location=f"{_EVENTS}/{event.id}",
        replayed=reply.replayed,
    )


@events.serve(_EVENTS + "/{event_id:id}", Declaration(Kind.READ, "GET", models.Event, public=True))
async def get_event(call: Call, event_id: EventId) -> Answer:
    """Read one event."""
    reply = await call.ask(stubs(call).events.GetEvent, events_pb2.GetEventRequest(id=event_id))
    body = to_json(event_json(reply.message.event))
    return Answer(body, tag=tag_of(body))
