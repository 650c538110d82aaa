import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from charts import (
    CHART,
    EXAMPLES,
    ROOT,
    SERVICE_CHART,
    Object,
    containers,
    helm,
    name,
    pods,
    refusal,
    rendered,
)

VERSIONS = ("1.28", "1.31", "1.34", "1.37")
OPERATORS = ("cert-manager.io/", "monitoring.coreos.com/", "gateway.networking.k8s.io/", "postgresql.cnpg.io/")
PROCESSES = sorted(path.stem for path in (CHART / "services").glob("*.yaml"))

pytestmark = pytest.mark.xdist_group("chart")


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda path: path.stem)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return rendered("--values", request.param)


@pytest.fixture(scope="module")
def everything() -> list[Object]:
    return rendered("--values", CHART / "examples" / "every-feature.yaml")


@pytest.fixture(scope="module")
def default() -> list[Object]:
    return rendered()


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_helm_finds_no_fault_with_it(values: Path) -> None:
    done = helm("lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout + done.stderr


def valid(objects: list[Object], version: str) -> None:
    own = [item for item in objects if not item["apiVersion"].startswith(OPERATORS)]
    assert len(own) > 10
    for item in own:
        kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_kind_of_object_is_valid_to_several_versions_of_kubernetes(
    everything: list[Object], version: str
) -> None:
    valid(everything, version)


@pytest.mark.parametrize("values", ["default", "development", "minimal", "production"])
def test_every_object_is_valid_to_kubernetes(values: str) -> None:
    valid(rendered("--values", CHART / "examples" / f"{values}.yaml"), VERSIONS[-1])


def test_no_name_is_given_to_two_objects(objects: list[Object]) -> None:
    names = [name(item) for item in objects]
    assert len(names) == len(set(names))


def test_every_pod_keeps_the_restricted_profile_of_pod_security(objects: list[Object]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root beside."""
    for whose, pod in pods(objects):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), whose
        assert pod["securityContext"]["runAsNonRoot"] is True, whose
        assert pod["securityContext"]["runAsUser"] > 0, whose
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, whose
        kinds = {kind for volume in pod.get("volumes", []) for kind in volume.keys() - {"name"}}
        assert kinds <= {"emptyDir", "configMap", "secret", "projected", "persistentVolumeClaim"}, whose
        for container in containers(pod):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, whose
            assert security["capabilities"] == {"drop": ["ALL"]}, whose
            assert security["readOnlyRootFilesystem"] is True, whose
            assert "privileged" not in security, whose
            assert not [port for port in container.get("ports", []) if "hostPort" in port], whose


def test_every_pod_can_fetch_its_image(everything: list[Object]) -> None:
    for whose, pod in pods(everything):
        assert pod["imagePullSecrets"] == [{"name": "registry"}], whose


def test_no_pod_has_a_token_of_the_cluster(objects: list[Object]) -> None:
    for whose, pod in pods(objects):
        assert pod["automountServiceAccountToken"] is False, whose
    for account in (item for item in objects if item["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False, name(account)


def test_no_name_stands_twice_in_an_environment(objects: list[Object]) -> None:
    for whose, pod in pods(objects):
        for container in containers(pod):
            names = [entry["name"] for entry in container.get("env", [])]
            assert len(names) == len(set(names)), whose


def test_every_container_says_what_it_needs_and_may_take(objects: list[Object]) -> None:
    for whose, pod in pods(objects):
        for container in containers(pod):
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, whose
            assert "memory" in container["resources"]["limits"], whose


def test_selectors_do_not_change_from_version_to_version() -> None:
    def selectors(version: str) -> dict[str, Object]:
        objects = rendered(
            "--set", f"global.image.tag={version}", "--values", CHART / "examples" / "every-feature.yaml"
        )
        return {name(item): item["spec"]["selector"] for item in objects if "selector" in item.get("spec", {})}

    first, second = selectors("1.0.0"), selectors("2.3.4")
    assert first == second
    assert len(first) > 20
    for selector in first.values():
        labels = selector.get("matchLabels", selector)
        assert not [label for label in labels if "version" in label or "chart" in label]


def test_every_selector_finds_its_pods_and_no_others(default: list[Object]) -> None:
    labels = {
        name(item): item["spec"]["template"]["metadata"]["labels"] for item in default if item["kind"] == "Deployment"
    }
    for item in default:
        if item["kind"] in {"Service", "PodDisruptionBudget"}:
            selector = item["spec"]["selector"].get("matchLabels", item["spec"]["selector"])
            found = [who for who, have in labels.items() if selector.items() <= have.items()]
            assert found == [f"Deployment {item['metadata']['name'].removesuffix('-operations')}"]


def test_services_are_headless_so_that_callers_spread_their_calls(default: list[Object]) -> None:
    services = {item["metadata"]["name"]: item["spec"] for item in default if item["kind"] == "Service"}
    for process in PROCESSES:
        assert services[f"neoforge-{process}"]["clusterIP"] == "None"


def test_a_rollout_takes_no_replica_away_before_the_next_is_ready(default: list[Object]) -> None:
    for item in (item for item in default if item["kind"] == "Deployment"):
        assert item["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        pod = item["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        if name(item) != "Deployment neoforge-edge":  # whose calls end before it is told to (test_edge_drain.py)
            sleep = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
            assert pod["terminationGracePeriodSeconds"] >= sleep + 30
        assert container["readinessProbe"]


def test_grpc_is_probed_as_callers_reach_it() -> None:
    def startup(*arguments: str) -> Object:
        objects = rendered(*arguments)
        (item,) = [item for item in objects if name(item) == "Deployment neoforge-projects"]
        probe: Object = item["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
        return probe

    assert startup()["exec"]["command"] == ["python", "-m", "chassis.probe", "--grpc"]
    assert startup("--set", "global.tls.mode=none", "--set", "global.environment=test")["grpc"] == {"port": 8090}


def test_the_login_that_owns_a_schema_reaches_its_migration_alone(default: list[Object]) -> None:
    for whose, pod in pods(default):
        named = {
            source["secret"]["name"]
            for volume in pod.get("volumes", [])
            for source in volume.get("projected", {}).get("sources", [])
        }
        owners = {secret for secret in named if secret.endswith("-owner")}
        assert bool(owners) == whose.endswith("-migrate"), whose


def test_each_process_reads_its_own_secrets_alone(default: list[Object]) -> None:
    for whose, pod in pods(default):
        for volume in pod.get("volumes", []):
            for source in volume.get("projected", {}).get("sources", []):
                secret = source["secret"]["name"].removeprefix("neoforge-").removesuffix("-owner")
                assert secret in {"redis", "smtp"} or secret in whose


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_can_be_released_alone_under_the_same_names(process: str, default: list[Object]) -> None:
    alone = rendered("--values", CHART / "services" / f"{process}.yaml", chart=SERVICE_CHART, release=process)
    together = {name(item) for item in default}
    assert {name(item) for item in alone} <= together
    assert f"Deployment neoforge-{process}" in {name(item) for item in alone}


def test_settings_merge_by_name_and_null_takes_one_away() -> None:
    objects = rendered(
        *("--set-string", "global.env.NEOFORGE_LOG_LEVEL=WARNING"),
        *("--set-string", "projects.env.NEOFORGE_LOG_LEVEL=DEBUG"),
        *("--set-string", "projects.env.NEOFORGE_DATABASE_POOL_SIZE=20"),
        *("--set", "gateway.env.NEOFORGE_SUPPORT_TARGET=null"),
    )
    environments = {
        whose: {entry["name"]: entry["value"] for entry in pod["containers"][0].get("env", [])}
        for whose, pod in pods(objects)
        if whose.startswith("Deployment")
    }
    projects = environments["Deployment neoforge-projects"]
    assert projects["NEOFORGE_LOG_LEVEL"] == "DEBUG"
    assert projects["NEOFORGE_DATABASE_POOL_SIZE"] == "20"
    assert projects["NEOFORGE_INVITATION_URL"] == "https://neoforge.example.com/api/v1/invitations/{token}"
    assert environments["Deployment neoforge-status"]["NEOFORGE_LOG_LEVEL"] == "WARNING"
    assert "NEOFORGE_SUPPORT_TARGET" not in environments["Deployment neoforge-gateway"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "projcts.replicas=3"], r"Additional property projcts is not allowed"),
        (["--set", "projects.replcas=3"], r"projects.*Additional property replcas is not allowed"),
        (["--set", "projects.replicas=many"], r"replicas: Invalid type. Expected: integer, given: string"),
        (
            ["--set", "projects.env.NEOFORGE_LOG_LEVL=INFO"],
            r"env: Additional property NEOFORGE_LOG_LEVL is not allowed",
        ),
        (["--set", "projects.env.NEOFORGE_DATABASE_POOL_SIZE=20"], r"NEOFORGE_DATABASE_POOL_SIZE: Invalid type"),
        (["--set", "global.tls.mode=mtls"], r"global.tls.mode"),
        (["--set", "global.publicUrl=neoforge.example.com"], r"global.publicUrl: Does not match pattern"),
        (["--set", "projects.secrets.NEOFORGE_DATABASE_URL.name="], r"NEOFORGE_DATABASE_URL"),
        (
            ["--set", "projects.secrets.NEOFORGE_INVITATION_SECRET=null"],
            r"projects: NEOFORGE_INVITATION_SECRET is not set\. Give projects\.secrets\.NEOFORGE_INVITATION_SECRET",
        ),
        (["--set", "projects.env.NEOFORGE_MAIL_FROM=null"], r"projects: NEOFORGE_MAIL_FROM is not set"),
        (
            ["--set", "projects.env.NEOFORGE_CURSOR_SECRET=here"],
            r"projects: NEOFORGE_CURSOR_SECRET stands both in env and in secrets",
        ),
        (["--set", "route.enabled=true"], r"route\.parentRefs is empty"),
        (["--set", "roles.enabled=true"], r"roles\.adminSecret is not set"),
        (["--set", "ingress.enabled=true", "--set", "edge.enabled=false"], r"set edge\.enabled"),
    ],
)
def test_values_that_will_not_do_are_refused_with_the_reason(arguments: list[str], words: str) -> None:
    assert re.search(words, refusal(*arguments), re.DOTALL), refusal(*arguments)


def test_every_secret_that_must_exist_is_documented() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for process in PROCESSES:
        own = values[process]
        for secrets in (
            own.get("secrets", {}),
            own.get("worker", {}).get("secrets", {}),
            own.get("migrate", {}).get("secrets", {}),
        ):
            for source in secrets.values():
                assert f"`{source['name'].replace(process, '<service>')}`" in page
                assert f"`{source['key']}`" in page


def test_chart_and_values_name_every_service() -> None:
    services = {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}
    aliases = {entry["alias"] for entry in yaml.safe_load((CHART / "Chart.yaml").read_text())["dependencies"]}
    assert aliases == services | {"gateway"}
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert services <= values.keys()
    assert set(values["roles"]["passwords"]) == services
    assert set(values["gateway"]["network"]["serve"]["to"]) == services
