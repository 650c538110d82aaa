from pathlib import Path

from chassis.service import Service, main
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
    main(SERVICE)
