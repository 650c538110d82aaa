"""When roles and migrations run: before the processes, and never where one waits for the other."""

from pathlib import Path

import pytest
from charts import CHART, EXAMPLES, Object, hooks, name, pods, rendered, weight

pytestmark = pytest.mark.xdist_group("chart")

EVERYTHING = CHART / "examples" / "every-feature.yaml"
SERVICES = sorted(path.stem for path in (CHART / "services").glob("*.yaml") if path.stem != "gateway")
BEFORE = {"pre-install", "pre-upgrade"}


def of_both(values: Path) -> list[list[Object]]:
    """What an install makes, and an upgrade."""
    return [rendered("--values", values, *kind) for kind in ((), ("--is-upgrade",))]


def jobs(objects: list[Object]) -> list[Object]:
    return [item for item in objects if item["kind"] == "Job"]


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_what_a_hook_reads_exists_before_it(values: Path) -> None:
    """Only what has a lower weight is there, and what the installation brought itself."""
    for objects in of_both(values):
        for job in filter(hooks, jobs(objects)):
            assert hooks(job) == BEFORE, name(job)
            for thing in read(job):
                (item,) = [item for item in objects if name(item) == thing]
                assert hooks(job) <= hooks(item), f"{name(job)} reads {thing}, which comes later"
                assert weight(item) < weight(job), f"{name(job)} reads {thing}, which comes later"
            volumes = job["spec"]["template"]["spec"]["volumes"]
            secrets = {v["secret"]["secretName"] for v in volumes if "secret" in v}
            made_here = {item["spec"]["secretName"] for item in objects if item["kind"] == "Certificate"}
            assert not secrets & made_here, f"{name(job)} reads a Secret that this release makes"


def read(job: Object) -> set[str]:
    """The objects that its pod cannot be without."""
    pod = job["spec"]["template"]["spec"]
    wanted = {f"ConfigMap {v['configMap']['name']}" for v in pod["volumes"] if "configMap" in v}
    claims = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
    wanted |= {f"PersistentVolumeClaim {claim}" for claim in claims}
    if account := pod.get("serviceAccountName"):
        wanted.add(f"ServiceAccount {account}")
    return wanted


def test_hooks_run_in_the_order_network_roles_migrations() -> None:
    objects = rendered("--values", EVERYTHING, "--is-upgrade")
    weights = {item["metadata"]["name"]: weight(item) for item in filter(hooks, jobs(objects))}
    roles = weights.pop("forge-roles")
    assert sorted(weights) == [f"forge-{service}-migrate" for service in SERVICES]
    assert all(roles < migration for migration in weights.values())
    policies = [item for item in objects if hooks(item) == BEFORE and item["kind"] == "NetworkPolicy"]
    assert len(policies) == len(weights) + 1
    assert all(weight(policy) < roles for policy in policies)


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_nothing_runs_after_a_wait_for_pods_that_wait_for_it(values: Path) -> None:
    """`helm --wait` comes to hooks after an install or upgrade when every pod is ready."""
    for objects in of_both(values):
        for item in objects:
            assert hooks(item) <= BEFORE | {"test"}, name(item)


def test_an_install_that_makes_the_database_has_no_hook_that_would_wait_for_it() -> None:
    objects = rendered("--values", EVERYTHING)
    assert [name(item) for item in objects if hooks(item) - {"test"}] == []
    found = {job["metadata"]["name"]: job for job in jobs(objects)}
    assert sorted(found) == sorted(["forge-roles-1", *(f"forge-{service}-migrate-1" for service in SERVICES)])
    present = {name(item) for item in objects}
    for job in found.values():
        assert read(job) <= present
        assert job["spec"]["backoffLimit"] >= 10, "the database takes its time"


def test_jobs_of_an_install_share_no_name_with_the_hooks_of_an_upgrade() -> None:
    """A hook takes away what has its name; Helm would then miss what it made itself."""
    install, upgrade = of_both(EVERYTHING)
    made = {name(item) for item in install}
    assert not [name(item) for item in upgrade if hooks(item) == BEFORE and name(item) in made]


def test_every_login_is_made_and_migrated_in_both() -> None:
    for objects in of_both(EVERYTHING):
        ran = {whose.split("-migrate")[0] for whose, _ in pods(objects) if "-migrate" in whose}
        assert ran == {f"Job forge-{service}" for service in SERVICES}
