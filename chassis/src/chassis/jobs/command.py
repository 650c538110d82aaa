"""`python -m <service> jobs dead | waiting | replay | schedule`: what an operator sees and does."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from chassis.database import Database
from chassis.errors import DomainError
from chassis.jobs.store import JobStore

if TYPE_CHECKING:
    from chassis.service import Service

NOTHING: Final = 1
"""Exit status when there was nothing to list or to replay."""
AWAY: Final = 69
"""Exit status when the database does not answer (EX_UNAVAILABLE of sysexits.h)."""

_LONGEST_CELL: Final = 80


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `jobs` to the verbs of a service's command line."""
    jobs = verbs.add_parser("jobs", help="look at jobs, and run dead ones again")
    actions = jobs.add_subparsers(dest="action", required=True)
    for name, does in (("dead", "list the dead letters"), ("waiting", "list the messages that are not handled yet")):
        listing = actions.add_parser(name, help=f"{does}; exit status 1 when there are none")
        listing.add_argument("--limit", type=int, default=100)
    replay = actions.add_parser("replay", help="let dead letters live again; exit status 1 when there was none")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", type=UUID)
    which.add_argument("--all", action="store_true")
    actions.add_parser("schedule", help="list the periodic jobs with their next run and last outcome")


def run(service: "Service[Any]", settings: Any, options: argparse.Namespace) -> int:
    """Do what the command line says, and give the exit status."""
    return asyncio.run(_run(service, settings, options))


async def _run(service: "Service[Any]", settings: Any, options: argparse.Namespace) -> int:
    database, store = Database.of(settings, service.name), JobStore(service.job_tables)
    await database.open()
    try:
        async with database.connection() as connection:
            if options.action == "replay":
                count = await store.replay(connection, options.id)
                _say(f"{count} dead letter{'' if count == 1 else 's'} will be tried again")
                outbox = service.house(settings, database).outbox
                outbox.ring()
                await outbox.close()
                return 0 if count else NOTHING
            if options.action == "schedule":
                runs, now = await store.runs.latest(connection), await store.runs.now(connection)
                _say(_schedule(service, settings, runs, now))
                return 0
            read = store.dead if options.action == "dead" else store.waiting
            rows = await read(connection, options.limit)
    except DomainError as away:
        _say(f"{service.name}: {away}")
        return AWAY
    finally:
        await database.close()
    _say(_messages(rows) if rows else "none")
    return 0 if rows else NOTHING


def _messages(rows: Sequence[Any]) -> str:
    return _table(
        ("ID", "KIND", "CREATED", "DUE", "DEAD SINCE", "ATTEMPTS", "AGGREGATE", "LAST ERROR"),
        [
            (row.id, row.kind, row.created_at, row.due_at, row.dead_at, row.attempts, row.aggregate, row.last_error)
            for row in rows
        ],
    )


def _schedule(service: "Service[Any]", settings: Any, runs: dict[str, Any], now: datetime) -> str:
    lines = []
    for job in service.all_jobs:
        if job.schedule is None:
            continue
        last = runs.get(job.kind)
        following = next(job.schedule.after(max(now, last.due_at) if last else now, settings))
        cells = (last.due_at, last.outcome, last.finished_at, last.error) if last else (None, None, None, None)
        lines.append((job.kind, job.schedule.describe(settings), following, *cells))
    return _table(("JOB", "SCHEDULE", "NEXT RUN", "LAST DUE", "OUTCOME", "FINISHED", "ERROR"), lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    text = " ".join(str(value).split())  # an error may hold anything; one line each
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _say(text: str) -> None:
    print(text)  # noqa: T201 - it talks to a person at a terminal
