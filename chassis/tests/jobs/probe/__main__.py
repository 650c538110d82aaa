import os
from datetime import timedelta
from pathlib import Path

from chassis.command_line import main
from chassis.jobs import consumer, relay, worker
from chassis.service import Service
from chassis.settings import ServiceSettings
from probe.jobs import jobs
from probe.tables import idempotency_keys, job_tables, metadata


class Probe(Service[ServiceSettings]):
    @property
    def version(self) -> str:
        return "0"


SERVICE = Probe(
    name="probe",
    settings=ServiceSettings,
    tables=metadata,
    idempotency_keys=idempotency_keys,
    job_tables=job_tables,
    migrations=Path(__file__).parent / "migrations",
    descriptors=[],
    build=lambda _: [],
    jobs=jobs,
)

if __name__ == "__main__":
    # Tests shorten what would only be waited for.
    if "PROBE_DRAIN_S" in os.environ:
        worker.DRAIN_S = float(os.environ["PROBE_DRAIN_S"])  # type: ignore[misc] # final outside of tests
    if "PROBE_LEASE_S" in os.environ:
        lease = timedelta(seconds=float(os.environ["PROBE_LEASE_S"]))
        relay.HANDED = consumer.LEASE = lease  # type: ignore[misc] # as above
    main(SERVICE)
