"""What an operator sees and does with `python -m <service> jobs`."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chassis.command_line import main
from chassis.house import House
from chassis.jobs.command import AWAY, NOTHING
from chassis.jobs.scheduler import Scheduler
from chassis.service import Service
from chassis.testing.jobs import JobRunner

Jobs = Callable[..., Any]


@pytest.fixture
def jobs(
    service: Service[Any], settings: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Jobs:
    """Runs the command in a thread of its own, and gives its exit status and what it printed."""
    for name, value in {
        "ENVIRONMENT": "test",
        "LISTEN": settings.listen,
        "OPS_LISTEN": settings.ops_listen,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "CURSOR_SECRET": settings.cursor_secret.get_secret_value(),
    }.items():
        monkeypatch.setenv(f"NEOFORGE_{name}", value)

    async def run(*arguments: str) -> tuple[int, str]:
        def in_thread() -> int:
            with pytest.raises(SystemExit) as ended:
                main(service, ["jobs", *arguments])
            return int(ended.value.code or 0)

        status = await asyncio.to_thread(in_thread)
        return status, capsys.readouterr().out

    return run


async def bury(house: House[Any], run_jobs: JobRunner) -> UUID:
    async with house.database.transaction() as tx:
        id_ = await house.outbox.put(tx, "probe.refuse", {}, aggregate="ticket 7")
    await run_jobs()
    return id_


async def test_dead_letters_are_listed_with_their_last_error(
    house: House[Any], run_jobs: JobRunner, jobs: Jobs
) -> None:
    assert await jobs("dead") == (NOTHING, "none\n")
    id_ = await bury(house, run_jobs)
    status, printed = await jobs("dead")
    heads, row = printed.splitlines()
    assert status == 0
    assert re.split(r"  +", heads) == [
        "ID", "KIND", "CREATED", "DUE", "DEAD SINCE", "ATTEMPTS", "AGGREGATE", "LAST ERROR"
    ]  # fmt: skip
    assert row.startswith(f"{id_}  probe.refuse  ")
    assert row.endswith("  1         ticket 7   Permanent: no such mailbox")


async def test_one_dead_letter_or_all_of_them_live_again(house: House[Any], run_jobs: JobRunner, jobs: Jobs) -> None:
    first, second, third = [await bury(house, run_jobs) for _ in range(3)]
    assert await jobs("replay", str(second)) == (0, "1 dead letter will be tried again\n")
    assert await jobs("replay", str(second)) == (NOTHING, "0 dead letters will be tried again\n")
    assert [(ran.id, ran.outcome) for ran in await run_jobs()] == [(second, "dead")]
    assert await jobs("replay", "--all") == (0, "3 dead letters will be tried again\n")
    assert {ran.id for ran in await run_jobs()} == {first, second, third}


async def test_what_waits_is_listed_the_next_one_first(house: House[Any], jobs: Jobs) -> None:
    async with house.database.transaction() as tx:
        later = await house.outbox.put(tx, "probe.note", {}, due_at=datetime(2999, 1, 1, tzinfo=UTC))
        sooner = await house.outbox.put(tx, "probe.note", {})
    status, printed = await jobs("waiting")
    assert status == 0
    assert [line.split()[0] for line in printed.splitlines()[1:]] == [str(sooner), str(later)]
    assert "2999-01-01 00:00:00Z" in printed


async def test_the_schedule_shows_the_next_run_and_the_last_outcome(
    service: Service[Any], house: House[Any], run_jobs: JobRunner, jobs: Jobs
) -> None:
    scheduler = Scheduler(service.all_jobs, run_jobs.store.runs, house)
    year = datetime.now(UTC).year
    await scheduler.look(datetime(year - 1, 6, 1, tzinfo=UTC))
    await scheduler.look(datetime(year, 1, 1, 3, tzinfo=UTC))
    await run_jobs()
    status, printed = await jobs("schedule")
    assert status == 0
    line = next(line for line in printed.splitlines() if line.startswith("probe.yearly"))
    cells = re.split(r"  +", line)
    assert cells[1:5] == [
        "0 3 1 1 * UTC",
        f"{year + 1}-01-01 03:00:00Z",
        f"{year}-01-01 03:00:00Z",
        "succeeded",
    ]
    assert cells[6] == "-"


async def test_a_database_that_is_away_is_told_by_the_exit_status(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOFORGE_DATABASE_URL", "postgresql://probe@127.0.0.1:1/nothing")
    status, printed = await jobs("dead")
    assert (status, printed.startswith("probe: ")) == (AWAY, True)
