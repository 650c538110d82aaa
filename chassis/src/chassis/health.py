"""grpc.health.v1, true to the database: SERVING while it answers, NOT_SERVING within a second of when it does not.

Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
import logging
from typing import Final

from grpc_health.v1 import _async as aio
from grpc_health.v1 import health_pb2

from chassis.call import ACCEPTING
from chassis.database import Database
from chassis.errors import Unavailable

log = logging.getLogger(__name__)

WHOLE: Final = ""
DATABASE: Final = "database"
_INTERVAL_S: Final = 0.5
_TIMEOUT_S: Final = 2.0

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """Watches the database and tells it as the health of the whole service and of its part `database`."""

    def __init__(self, database: Database) -> None:
        self.servicer = aio.HealthServicer()
        self.ready = False
        self._database = database
        self._draining = False

    async def watch(self) -> None:
        """Look twice a second, until cancelled."""
        while True:
            try:
                await self.look()
                self._database.observe()
            except Exception:
                # A watch that died would leave its last word standing for ever.
                log.exception("looking after the database went wrong")
            await asyncio.sleep(_INTERVAL_S)

    async def look(self) -> None:
        """Ask the database once, and tell the outcome."""
        try:
            await self._database.ping(_TIMEOUT_S)
        except Unavailable as away:
            if self.ready:
                log.warning("%s", away.message)
            answers = False
        else:
            answers = True
            if not self.ready and not self._draining:
                log.info("the database answers")
        await self._tell(DATABASE, answers)
        if not self._draining:
            self.ready = answers
            await self._tell(ACCEPTING, serving=True)
            await self._tell(WHOLE, answers)

    async def drain(self) -> None:
        """Say NOT_SERVING from now on, so that callers go elsewhere while running calls end."""
        self._draining = True
        self.ready = False
        await self._tell(ACCEPTING, serving=False)
        await self._tell(WHOLE, serving=False)

    async def _tell(self, part: str, serving: bool) -> None:
        await self.servicer.set(part, _SERVING if serving else _NOT_SERVING)
