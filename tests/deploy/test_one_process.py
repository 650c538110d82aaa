"""One process released alone: within the release of all, or as a release of its own beside it (docs/deploying.md)."""

import re
from collections.abc import Iterator

import pytest
import yaml
from charts import CHART, ROOT, SERVICE_CHART, Object, hooks, name, rendered
from cluster import Cluster, running

pytestmark = pytest.mark.xdist_group("chart")

PROCESSES = sorted(path.stem for path in (CHART / "services").glob("*.yaml"))


@pytest.fixture(scope="module")
def default() -> list[Object]:
    return rendered()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Where a process finds its Secrets."""
    with running() as server:
        yield server


def secrets_of(process: str) -> dict[str, list[str]]:
    values = yaml.safe_load((CHART / "services" / f"{process}.yaml").read_text())
    found: dict[str, list[str]] = {}
    for part in (values, values.get("worker", {}), values.get("migrate", {})):
        for source in part.get("secrets", {}).values():
            found.setdefault(source["name"], []).append(source["key"])
    return found


def told(item: Object) -> Object:
    """An object without the label that says which chart made it."""
    labels = {key: value for key, value in item["metadata"]["labels"].items() if key != "helm.sh/chart"}
    template = item.get("spec", {}).get("template")
    if template:
        item = item | {"spec": item["spec"] | {"template": template | {"metadata": {}}}}
    return item | {"metadata": item["metadata"] | {"labels": labels}}


@pytest.mark.parametrize("process", ["gateway", "projects"])
def test_with_another_tag_in_the_release_of_all_nothing_else_changes(process: str, default: list[Object]) -> None:
    before = {name(item): item for item in default}
    after = {name(item): item for item in rendered("--set", f"{process}.image.tag=0.1.1")}
    assert before.keys() == after.keys()
    changed = {whose for whose in before if before[whose] != after[whose] and not hooks(before[whose]) & {"test"}}
    assert f"Deployment neoforge-{process}" in changed
    assert all(re.fullmatch(rf"\w+ neoforge-{process}(-\w+)?", whose) for whose in changed)


@pytest.mark.parametrize("process", PROCESSES)
def test_beside_a_release_of_the_others_it_takes_no_name_of_theirs_and_is_what_it_was(
    process: str, default: list[Object]
) -> None:
    all_of_them = {name(item): told(item) for item in default}
    others = {name(item) for item in rendered("--set", f"{process}.enabled=false")}
    values = CHART / "services" / f"{process}.yaml"
    alone = {name(item): told(item) for item in rendered("--values", values, chart=SERVICE_CHART, release=process)}
    assert not alone.keys() & others
    assert alone == {whose: all_of_them[whose] for whose in alone}
    left_out = all_of_them.keys() - others - alone.keys()
    assert left_out <= ({"Pod neoforge-test", "NetworkPolicy neoforge-test"} if process == "gateway" else set())


@pytest.mark.parametrize("process", ["gateway", "projects"])
def test_the_documented_command_makes_a_release_of_it(cluster: Cluster, process: str) -> None:
    cluster.secrets = secrets_of(process)
    cluster.made_by("neoforge", of_the_others(process))
    done = cluster.helm(*documented(process))
    assert done.returncode == 0, done.stderr
    assert f'Release "{process}" does not exist. Installing it now.' in done.stdout


def test_while_another_release_has_it_helm_says_whose_it_is_and_then_is_told_to_take_it(
    cluster: Cluster, default: list[Object]
) -> None:
    cluster.secrets = secrets_of("projects")
    cluster.made_by("neoforge", [item for item in default if "-projects" in name(item) and not hooks(item)])
    done = cluster.helm(*documented("projects"))
    assert done.returncode != 0
    assert 'must equal "projects": current value is "neoforge"' in done.stderr
    taken = cluster.helm(*documented("projects"), "--take-ownership")
    assert taken.returncode == 0, taken.stderr


def of_the_others(process: str) -> list[Object]:
    return [item for item in rendered("--set", f"{process}.enabled=false") if not hooks(item)]


def documented(process: str) -> list[str]:
    """The command of docs/deploying.md, for a process; the namespace is the cluster's."""
    page = (ROOT / "docs" / "deploying.md").read_text()
    (command,) = re.findall(r"^\$ helm (upgrade --install projects .*?)$", page, re.MULTILINE)
    words = [word for word in command.split("#")[0].split() if word not in {"--namespace", "neoforge"}]
    words = [re.sub(r"\bprojects\b", process, word) for word in words]
    return [str(ROOT / word) if word.startswith("deploy/") else word for word in words]
