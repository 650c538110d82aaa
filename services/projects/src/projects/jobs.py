"""What the projects service does later."""

from chassis.jobs.declaration import Jobs
from chassis.webhooks.wiring import ServiceWebhooks
from projects.settings import Settings
from projects.tables import webhook_tables
from projects.webhooks.events import EVENT_TYPES

WEBHOOKS = ServiceWebhooks(webhook_tables, EVENT_TYPES)

jobs = Jobs[Settings]()
jobs.include(WEBHOOKS.jobs)
