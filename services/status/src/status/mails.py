"""The mails of the status service."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from chassis.house import House
from chassis.mail.mails import Completed, Mails
from chassis.signed_links import SignedLinks
from status.model.maintenances import Phase
from status.settings import Settings
from status.store import components, incidents, maintenances, subscribers
from status.tables import mail_tables

MAILS: Final = Mails("status", mail_tables)


def links_of(settings: Settings) -> SignedLinks:
    """Give the maker of subscriptions' links, which say the subscriber's id."""
    secret = settings.subscription_secret.get_secret_value()
    return SignedLinks(secret, settings.subscription_url, "neoforge status subscription 1")


@MAILS.completes("confirmation")
async def complete_confirmation(house: House[Settings], context: Mapping[str, Any]) -> Completed | None:
    """Add the link, which stands in no table; nothing is sent to an address that has confirmed or is gone."""
    id_ = UUID(context["subscriber_id"])
    async with house.database.connection() as connection:
        subscriber = await subscribers.get(connection, id_)
    if subscriber is None or subscriber.confirmed_at is not None:
        return None
    return Completed({"link": links_of(house.settings).link(id_.bytes), "page": house.settings.status_page_url})


@MAILS.completes("incident")
async def complete_incident(house: House[Settings], context: Mapping[str, Any]) -> Completed | None:
    """Add what an update of an incident says, for an address that is a subscriber still."""
    update_id = context["update_id"]
    async with house.database.connection() as connection:
        incident = await incidents.get(connection, UUID(context["incident_id"]))
        told = next((one for one in incident.updates if str(one.id) == update_id), None) if incident else None
        if incident is None or told is None:
            return None
        names = await _names(connection, incident.component_ids)
        values = {
            "title": incident.title,
            "status": told.status.value,
            "impact": incident.impact.value,
            "body": told.body,
            "components": names,
            "at": _shown(told.created_at),
        }
        return await _for_subscriber(house, connection, context, values)


@MAILS.completes("maintenance")
async def complete_maintenance(house: House[Settings], context: Mapping[str, Any]) -> Completed | None:
    """Add what is planned, for an address that is a subscriber still; nothing of what is over or called off."""
    async with house.database.connection() as connection:
        window = await maintenances.get(connection, UUID(context["maintenance_id"]))
        if window is None or window.phase(datetime.now(UTC)) is Phase.COMPLETED:
            return None
        values = {
            "title": window.title,
            "body": window.message,
            "components": await _names(connection, window.component_ids),
            "starts": _shown(window.starts_at),
            "ends": _shown(window.ends_at),
        }
        return await _for_subscriber(house, connection, context, values)


async def _for_subscriber(
    house: House[Settings], connection: Any, context: Mapping[str, Any], values: Mapping[str, Any]
) -> Completed | None:
    subscriber = await subscribers.get(connection, UUID(context["subscriber_id"]))
    if subscriber is None or subscriber.confirmed_at is None:
        return None
    link = links_of(house.settings).link(subscriber.id.bytes)
    return Completed({**values, "page": house.settings.status_page_url, "unsubscribe": link}, unsubscribe=link)


async def _names(connection: Any, ids: tuple[UUID, ...]) -> str:
    known = {component.id: component.name for component, _ in await components.all_with_last(connection)}
    return ", ".join(known[id_] for id_ in ids if id_ in known)


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
