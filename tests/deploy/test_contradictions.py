"""Values that are good one by one and of which nothing good would come: refused, with what to change."""

import pytest
from charts import name, pods, refusal, rendered

pytestmark = pytest.mark.xdist_group("chart")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("gateway.worker.enabled=true", "gateway.worker.enabled is true, and a process of kind http has none"),
        ("gateway.migrate.enabled=true", "gateway.migrate.enabled is true, and a process of kind http has none"),
        ("projects.kind=http", "projects.worker.enabled is true, and a process of kind http has none"),
        ("projects.name=tasks", "projects.name is tasks: in the release of all, others call it by the name projects"),
        ("projects.env.NEOFORGE_LISTEN=0.0.0.0:9000", "projects: NEOFORGE_LISTEN is the chart's own to set"),
        ("global.env.NEOFORGE_ENVIRONMENT=test", "NEOFORGE_ENVIRONMENT is the chart's own to set"),
        ("global.publicUrl=http://forge.example.com", "in production it is https"),
        ("certificateAuthority.create=false", "certificateAuthority.create is false and global.tls.issuer.name empty"),
        ("global.tls.issuer.kind=ClusterIssuer", "global.tls.issuer.name is empty: name the ClusterIssuer"),
        ("postgresql.pooler.enabled=true", "postgresql.pooler is of the cluster that global.database.cloudnativepg"),
        ("edge.tls.port=80,edge.tls.secret=forge-tls", "edge.tls.port is 80, which is that of HTTP"),
        ("support.storage.path=/tmp", "support.storage.path is /tmp, where other things are"),
        ("gateway.env.NEOFORGE_PROJECTS_TARGET=null", "gateway: NEOFORGE_PROJECTS_TARGET is not set"),
        (
            "projects.autoscaling.enabled=true,projects.resources.requests.cpu=null",
            "projects: autoscaling is by the part of resources.requests.cpu that is used, which is not set",
        ),
        (
            "auth.worker.autoscaling.enabled=true,auth.worker.resources.requests.cpu=null",
            "auth: worker.autoscaling is by the part of worker.resources.requests.cpu that is used",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(values: str, words: str) -> None:
    assert words in refusal("--set", values)


@pytest.mark.parametrize(("setting", "needed"), [("NEOFORGE_FAREWELL_S=30", 60), ("NEOFORGE_DRAIN_S=60", 67)])
def test_a_replica_that_would_be_killed_before_it_is_done_is_refused(setting: str, needed: int) -> None:
    said = refusal("--set-string", f"gateway.env.{setting}")
    assert f"gateway: it would be killed after 45 s, and takes up to {needed} to end" in said
    longer = ("--set", f"gateway.terminationGracePeriodSeconds={needed}")
    assert rendered("--set-string", f"gateway.env.{setting}", *longer)


WRONG = {
    "projects.env.NEOFORGE_LOG_LEVEL": "LOUD",
    "projects.env.NEOFORGE_DATABASE_POOL_SIZE": "many",
    "auth.env.NEOFORGE_SMTP_STARTTLS": "maybe",
    "gateway.env.NEOFORGE_CALL_TIMEOUT_S": "10s",
    "projects.podDisruptionBudget.maxUnavailable": "0%",
    "auth.podDisruptionBudget.maxUnavailable": "none",
    "support.storage.accessModes": "{ReadWriteOncePod}",
    "global.image.tag": "a b",
    "projects.image.repository": "Forge/projects",
    "edge.image": "",
    "ingress.hosts": "{forge_example}",
    "auth.secrets.NEOFORGE_AUTH_SECRET.name": "Forge_Auth",
    "global.networkPolicy.redis[0].ipBlock.cidr": "10.0.0.0",
}


def test_values_that_no_process_or_cluster_takes_are_refused_each_by_its_name() -> None:
    said = refusal("--set-string", ",".join(f"{key}={value}" for key, value in WRONG.items()))
    for key in WRONG:
        within = key if key.startswith(("global", "edge", "ingress")) else key.partition(".")[2]
        within = within.replace("[0]", ".0")
        assert f"- {within}: " in said or f"- {within}.0: " in said, key
    assert "podDisruptionBudget.maxUnavailable: " in refusal("--set", "auth.podDisruptionBudget.maxUnavailable=0")


def test_settings_are_taken_as_their_processes_take_them() -> None:
    taken = {
        "projects.env.NEOFORGE_SMTP_STARTTLS": "True",
        "projects.env.NEOFORGE_CLEANUP_INTERVAL_SECONDS": "0.5",
        "projects.env.NEOFORGE_DATABASE_POOL_SIZE": "{{ mul 2 10 }}",
        "projects.env.NEOFORGE_LOG_LEVEL": "",
    }
    objects = rendered("--set-string", ",".join(f"{key}={value}" for key, value in taken.items()).replace("{", "\\{"))
    (pod,) = (pod for whose, pod in pods(objects) if whose == PROJECTS)
    environment = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    assert environment["NEOFORGE_DATABASE_POOL_SIZE"] == "20"


def test_a_tag_of_any_length_makes_a_label_that_kubernetes_takes() -> None:
    """skaffold tags with all 64 digits of a digest; a label has 63 characters (RFC 1123)."""
    digest = "4a9062ee615b7604427b2c6035e07d6e66b941406142bdc2d0a996a6276e7f1e"
    (item,) = (item for item in rendered("--set", f"projects.image.tag={digest}") if name(item) == PROJECTS)
    assert item["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f"/projects:{digest}")
    assert item["metadata"]["labels"]["app.kubernetes.io/version"] == digest[:63]


PROJECTS = "Deployment neoforge-projects"


@pytest.mark.parametrize(
    ("values", "replicas"),
    [
        ("gateway.replicas=3", "3"),
        ("gateway.replicas=0", "1"),
        ("gateway.autoscaling.enabled=true,gateway.autoscaling.minReplicas=4", "4"),
    ],
)
def test_gateways_know_how_many_share_a_quota_while_redis_is_away(values: str, replicas: str) -> None:
    (pod,) = (pod for whose, pod in pods(rendered("--set", values)) if whose == "Deployment neoforge-gateway")
    environment = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    assert environment["NEOFORGE_GATEWAY_REPLICAS"] == replicas


@pytest.mark.parametrize("endpoint", ["http://otel.example.com", "otel.example.com:4317"])
def test_a_collector_without_a_port_is_refused(endpoint: str) -> None:
    """An exporter of Python would take 443, and Envoy 4317."""
    said = refusal("--set", f"global.env.OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}")
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT is {endpoint}: it must be an address with a port" in said


def test_a_process_reaches_a_collector_of_its_own() -> None:
    objects = rendered("--set", "projects.env.OTEL_EXPORTER_OTLP_ENDPOINT=http://otel.example.com:5317")
    opened = {
        name(item)
        for item in objects
        if item["kind"] == "NetworkPolicy" and {"ports": [{"port": 5317}]} in item["spec"].get("egress", [])
    }
    assert opened == {"NetworkPolicy neoforge-projects-serve", "NetworkPolicy neoforge-projects-worker"}
