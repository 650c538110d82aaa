from chassis.house import House
from chassis.settings import ServiceSettings
from chassis.testing.jobs import JobRunner


async def test_a_message_runs_its_job_once(house: House[ServiceSettings], run_jobs: JobRunner) -> None:
    async with house.database.transaction() as tx:
        id_ = await house.outbox.put(tx, "probe.note", {"note": "hello"})
    assert [(ran.id, ran.outcome) for ran in await run_jobs()] == [(id_, "succeeded")]
    assert await run_jobs() == []
