"""What the chassis gives to a service's code, in a server and in a worker alike."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.database import Database
from chassis.idempotency import Idempotency
from chassis.jobs.outbox import Outbox
from chassis.paging import Cursors
from chassis.settings import ServiceSettings
from chassis.watching import Watches

S_co = TypeVar("S_co", bound=ServiceSettings, covariant=True)


@dataclass(frozen=True)
class House(Generic[S_co]):
    """What a servicer or a job stands on; one per process."""

    settings: S_co
    database: Database
    idempotency: Idempotency
    cursors: Cursors
    outbox: Outbox
    watches: Watches
