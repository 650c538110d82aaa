"""The verbs of a service's command line: `serve`, `worker`, `jobs`, `migrate` and `sql`."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from chassis import cancelling, certificate, logs, memory, metrics, telemetry
from chassis.jobs import command
from chassis.service import RunningService, Service
from chassis.settings import MigrationSettings, ServiceSettings, for_worker, load

log = logging.getLogger(__name__)

S = TypeVar("S", bound=ServiceSettings)


async def serve(service: Service[S], settings: S) -> int:
    """Serve until SIGTERM or SIGINT, or a part of it fails; give the exit status."""
    running = RunningService(service, settings)
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    try:
        await running.start()
    except OSError as taken:
        log.critical("%s cannot start: %s", service.name, taken)
        return 1
    memory.settle()
    ends = [asyncio.create_task(event.wait()) for event in (stop, running.failed)]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    await cancelling.end(*ends)
    log.info("%s drains", service.name)
    await running.health.drain()
    await asyncio.sleep(settings.farewell_s)
    await running.stop()
    log.info("%s has stopped", service.name)
    return cancelling.EX_SOFTWARE if running.failed.is_set() else 0


def _migrate(service: Service[Any], verb: str) -> None:
    from chassis.migrations import runner  # noqa: PLC0415 - the others should not carry Alembic's memory

    if verb == "sql":
        runner.script(service.migrations, service.tables)
        return
    told = load(MigrationSettings)
    logs.setup(service.name, told.log_level)
    if told.migration_database_url is not None:
        runner.upgrade(told.migration_database_url.get_secret_value(), service.migrations, service.tables)
    elif told.database_url is not None and (
        behind := runner.behind(told.database_url.get_secret_value(), service.migrations, service.tables)
    ):
        log.critical("%s; `migrate` it where NEOFORGE_MIGRATION_DATABASE_URL is set", behind)
        sys.exit(1)


def main(
    service: Service[Any],
    arguments: Sequence[str] | None = None,
    *,
    add_own: Callable[["argparse._SubParsersAction[argparse.ArgumentParser]"], None] | None = None,
) -> None:
    """Run one verb of a service's command line: `serve`, `worker`, `jobs`, `migrate`, `sql`, or one of its own.

    `add_own` adds those; each has `run` among its defaults, which gives the exit status by service and options.
    """
    parser = argparse.ArgumentParser(prog=service.name, description=f"NeoForge's {service.name} service")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("serve", help="answer calls until SIGTERM")
    worker = verbs.add_parser("worker", help="run jobs, hand them out and schedule them until SIGTERM")
    worker.add_argument("--only", choices=("consumer", "relay", "scheduler"), help="do one of the three alone")
    command.add_verb(verbs)
    verbs.add_parser("migrate", help="bring the schema up to date, as its owner; else say whether it is")
    verbs.add_parser("sql", help="print the SQL of all migrations")
    if add_own is not None:
        add_own(verbs)
    options = parser.parse_args(arguments)
    verb = options.verb
    # Until the settings are read, and for commands, whose answers go to stdout.
    logs.setup(service.name, "WARNING", sys.stderr)
    if "run" in options:
        sys.exit(options.run(service, options))
    if verb in {"sql", "migrate"}:
        _migrate(service, verb)
    elif verb == "jobs":
        sys.exit(command.run(service, load(service.settings), options))
    else:
        settings = load(for_worker(service.settings) if verb == "worker" else service.settings)
        logs.setup(service.name, settings.log_level)
        telemetry.setup(service.name, service.version, verb)
        metrics.tell_build(service.version)
        certificate.tell(settings.tls)
        if verb == "worker":
            from chassis.jobs import worker as workers  # noqa: PLC0415 - a server should not carry Celery's memory

            workers.run(service, settings, options.only)
        sys.exit(asyncio.run(serve(service, settings)))
