"""Writes down what happens to components and who is to be told, in the transaction of the cause."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import Connection
from chassis.jobs.outbox import Outbox
from status import told
from status.errors import ComponentNotFound
from status.model.components import Component, Event, Source, Status
from status.model.incidents import Affected, Incident, Turn
from status.model.maintenances import Window
from status.store import components

MAIL: Final = "subscriber.mail"
WEBHOOK: Final = "subscriber.webhook"

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Records:
    """Writes events, and leaves in the outbox whom to tell."""

    outbox: Outbox

    async def created(self, tx: Connection, component: Component, created_by: UUID | None) -> None:
        """Store a new component, operational from the moment of its creation on."""
        await components.insert(tx, component)
        await components.insert_event(
            tx,
            Event(
                id=uuid7(),
                component_id=component.id,
                status=Status.OPERATIONAL,
                message="",
                source=Source.SYSTEM,
                incident_id=None,
                created_by=created_by,
                created_at=component.created_at,
            ),
        )

    async def event(
        self,
        tx: Connection,
        component_id: UUID,
        status: Status,
        now: datetime,
        *,
        message: str = "",
        source: Source = Source.PERSON,
        created_by: UUID | None = None,
        incident_id: UUID | None = None,
    ) -> Event:
        """Store that a component fares so from now on.

        Raises:
            ComponentNotFound: there is no such component.
            InvalidFields: the message breaks its rule.
        """
        component = await components.get_for_change(tx, component_id)
        last = await components.last_event(tx, component_id)
        if component is None or last is None:
            raise ComponentNotFound
        # Clocks of replicas differ: the order of the locks is the order of the events.
        at = max(now, last.created_at + _TICK)
        event = Event(uuid7(), component_id, status, message, source, incident_id, created_by, at)
        event.check()
        await components.insert_event(tx, event)
        if status is not last.status:
            await self.outbox.put(tx, WEBHOOK, told.component_changed(component, event))
        return event

    async def affected(
        self, tx: Connection, affected: tuple[Affected, ...], incident: Incident, created_by: UUID, now: datetime
    ) -> tuple[Turn, ...]:
        """Store how the components of an incident fare from now on, where that was said, and give what turned."""
        turns = []
        # In one order, so that two incidents never wait for each other's components.
        for one in sorted(affected, key=lambda one: one.component_id):
            await components.get_for_change(tx, one.component_id)
            last = await components.last_event(tx, one.component_id)
            if last is None:
                raise ComponentNotFound
            turns.append(Turn(one.component_id, last.status, one.status or last.status))
            if one.status is not None:
                await self.event(
                    tx,
                    one.component_id,
                    one.status,
                    now,
                    message=incident.title,
                    created_by=created_by,
                    incident_id=incident.id,
                )
        return tuple(turns)

    async def told(self, tx: Connection, incident: Incident) -> None:
        """Have subscribers told of an incident's newest update."""
        ids = {"incident_id": str(incident.id), "update_id": str(incident.updates[0].id)}
        await self.outbox.put(tx, MAIL, {"template": "incident", "context": ids})
        await self.outbox.put(tx, WEBHOOK, told.incident(incident))

    async def planned(self, tx: Connection, window: Window, now: datetime) -> None:
        """Have subscribers told of planned maintenance."""
        ids = {"maintenance_id": str(window.id)}
        await self.outbox.put(tx, MAIL, {"template": "maintenance", "context": ids})
        await self.outbox.put(tx, WEBHOOK, told.maintenance_planned(window, now))
