"""The events of projects, as the webhooks of their owners get them; pure.

`data` holds the project as it is after the event, with its version, and for members who it is about.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.webhooks.model import Event
from projects.invitations.model import Invitation
from projects.model import Member, Project, Status

EVENT_TYPES: Final = (
    "project.created",
    "project.updated",
    "project.archived",
    "project.deleted",
    "project.member_invited",
    "project.member_added",
    "project.member_removed",
)


def created(project: Project) -> Event:
    """A project was created."""
    return Event("project.created", project.created_at, {"project": vars(project)})


def changed(before: Project, project: Project) -> Event:
    """A project was changed; what put it away is told as that, whatever else it changed."""
    archived = project.status is Status.ARCHIVED and before.status is not Status.ARCHIVED
    return Event("project.archived" if archived else "project.updated", project.updated_at, {"project": vars(project)})


def deleted(project: Project, now: datetime) -> Event:
    """A project was deleted; it is told as it was last."""
    return Event("project.deleted", now, {"project": vars(project)})


def member_invited(project: Project, invitation: Invitation) -> Event:
    """A person was invited, by mail; the address stays between the owner and the invited."""
    told = {"id": invitation.id, "role": invitation.role}
    return Event("project.member_invited", invitation.sent_at, {"project": vars(project), "invitation": told})


def member_added(project: Project, member: Member) -> Event:
    """A person became a member of a project."""
    return _of_member("project.member_added", project, member.created_at, user_id=member.user_id, role=member.role)


def member_removed(project: Project, user_id: UUID, now: datetime) -> Event:
    """A person is no member of a project any more."""
    return _of_member("project.member_removed", project, now, user_id=user_id)


def _of_member(event_type: str, project: Project, at: datetime, **member: Any) -> Event:
    return Event(event_type, at, {"project": vars(project), "member": member})
