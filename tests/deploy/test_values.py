"""Values that pass for good, and are not: refused by the chart, with the reason, before anything is sent."""

import importlib

import pytest
import yaml
from charts import CHART, pods, refusal, rendered

pytestmark = pytest.mark.xdist_group("chart")


@pytest.mark.parametrize(
    ("taken_away", "words"),
    [
        (
            "projects.secrets.NEOFORGE_DATABASE_URL",
            "projects: NEOFORGE_DATABASE_URL is not set. Give projects.secrets.",
        ),
        ("projects.worker.secrets.NEOFORGE_REDIS_URL", "NEOFORGE_REDIS_URL is not set. Give projects.worker.secrets."),
        (
            "projects.migrate.secrets.NEOFORGE_MIGRATION_DATABASE_URL",
            "NEOFORGE_MIGRATION_DATABASE_URL is not set. Give projects.migrate.secrets.",
        ),
        ("projects.secrets", "secrets is required"),
        ("projects.worker.secrets", "worker: secrets is required"),
        ("projects.migrate.secrets", "migrate: secrets is required"),
        ("projects.required", "required is required"),
        ("projects.resources", "resources is required"),
        ("projects.network.from", "network: from is required"),
        ("global.secrets", "global: secrets is required"),
        ("global.tls", "global: tls is required"),
        ("edge.from", "edge: from is required"),
    ],
)
def test_null_for_what_must_be_there_is_refused(taken_away: str, words: str) -> None:
    assert words in refusal("--set", f"{taken_away}=null")


@pytest.mark.parametrize("scaled", ["gateway", "projects", "projects.worker"])
def test_an_autoscaler_with_more_at_least_than_at_most_is_refused(scaled: str) -> None:
    values = ",".join(f"{scaled}.autoscaling.{part}" for part in ("enabled=true", "minReplicas=9", "maxReplicas=3"))
    assert f"{scaled.partition('.')[0]}: autoscaling.minReplicas is 9, which is more than maxReplicas, 3." in refusal(
        "--set", values
    )


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("projects.resources.limits.memory=1..2Gi", "resources.limits.memory"),
        ("projects.resources.limits.memory=.Gi", "resources.limits.memory"),
        ("projects.resources.limits.memory=256m", "resources.limits.memory"),
        ("projects.resources.limits.memory=256", "resources.limits.memory"),
        ("projects.resources.requests.cpu=1.2.3", "resources.requests.cpu"),
        ("projects.resources.requests.cpu=100Mi", "resources.requests.cpu"),
        ("projects.resources.requests.cpu=0", "resources.requests.cpu"),
        ("support.storage.size=10GB", "storage.size"),
        ("postgresql.size=20", "postgresql.size"),
        ("edge.resources.limits.memory=1..2Gi", "edge.resources.limits.memory"),
        ("global.monitoring.interval=15", "global.monitoring.interval"),
    ],
)
def test_a_quantity_that_is_none_is_refused(value: str, where: str) -> None:
    assert where in refusal("--set", value)


@pytest.mark.parametrize("cpu", ["1", "0.5", "250m"])
def test_quantities_are_taken_as_kubernetes_writes_them(cpu: str) -> None:
    values = f"projects.resources.requests.cpu={cpu},projects.resources.limits.memory=1.5Gi"
    (pod,) = (pod for whose, pod in pods(rendered("--set", values)) if whose == "Deployment neoforge-projects")
    assert str(pod["containers"][0]["resources"]["requests"]["cpu"]) == cpu


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('projects.tolerations=[{"kye": "dedicated"}]', "Additional property kye is not allowed"),
        ('projects.tolerations=[{"key": "a", "operator": "Equals"}]', "tolerations.0.operator must be one of"),
        ('projects.tolerations=[{"key": "a", "effect": "NoSchedul"}]', "tolerations.0.effect must be one of"),
        ('route={"enabled": true, "parentRefs": [{"nmae": "public"}]}', "Additional property nmae is not allowed"),
        ('route={"enabled": true, "parentRefs": [{"namespace": "gateways"}]}', "name is required"),
        ('global.image.pullSecrets=["registry"]', "pullSecrets.0: Invalid type"),
        ('global.image.pullSecrets=[{"nmae": "registry"}]', "Additional property nmae is not allowed"),
        ('roles.passwords={"projcts": "x"}', "Additional property projcts is not allowed"),
    ],
)
def test_a_typo_in_a_list_is_refused(value: str, words: str) -> None:
    assert words in refusal("--set-json", value)


def test_in_production_processes_call_each_other_over_mutual_tls() -> None:
    assert "global.tls.mode is none: in production, processes call" in refusal("--set", "global.tls.mode=none")


@pytest.mark.parametrize("process", sorted(path.stem for path in (CHART / "services").glob("*.yaml")))
def test_the_chart_asks_for_every_setting_without_which_a_process_refuses_to_start(process: str) -> None:
    settings = importlib.import_module(f"{process}.settings")
    kind = settings.GatewaySettings if process == "gateway" else settings.Settings
    needed = {f"NEOFORGE_{field.upper()}" for field, info in kind.model_fields.items() if info.is_required()}
    made_by_the_chart = {"NEOFORGE_ENVIRONMENT", "NEOFORGE_LISTEN", "NEOFORGE_OPS_LISTEN"}
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert needed - made_by_the_chart <= set(values[process]["required"])


ROLES = ("--set", "roles.enabled=true,roles.adminSecret=postgresql-admin")


def test_roles_are_made_for_services_that_are_there() -> None:
    def made(*values: str) -> set[str]:
        (pod,) = (pod for whose, pod in pods(rendered(*ROLES, *values)) if whose == "Job neoforge-roles")
        return {container["name"] for container in pod["containers"]}

    everyone = {path.stem for path in (CHART / "services").glob("*.yaml")} - {"gateway"}
    assert made() == everyone
    assert made("--set", "status.enabled=false") == everyone - {"status"}


def test_a_service_whose_roles_have_no_passwords_is_refused() -> None:
    assert "roles: roles.passwords.auth is not set: name the Secret" in refusal(
        *ROLES, "--set", "roles.passwords.auth=null"
    )
