import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
OBSERVABILITY = {
    "otel-collector",
    "traces",
    "prometheus",
    "alertmanager",
    "grafana",
    "postgres-exporter",
    "redis-exporter",
}
ONCE = {"roles", *(f"{service}-migrate" for service in SERVICES)}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


def given(text: str, **said: str) -> str:
    """The text with every ${NAME:-default} as what is said of it, or else its default; one may stand in another's."""

    def value(found: re.Match[str]) -> str:
        return said.get(found[1], found[2])

    while (put := re.sub(r"\$\{(\w+):?-([^{}]*)\}", value, text)) != text:
        text = put
    return text


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_serves_works_and_migrates(services: dict[str, Any], service: str) -> None:
    serve, worker, migrate = (services[f"{service}{suffix}"] for suffix in ("", "-worker", "-migrate"))
    assert serve["build"]["args"] == {"SERVICE": service}
    assert serve["image"] == worker["image"] == migrate["image"]
    assert (worker["command"], migrate["command"]) == (["worker"], ["migrate"])
    assert serve["depends_on"][f"{service}-migrate"] == {"condition": "service_completed_successfully"}
    assert migrate["depends_on"] == {"roles": {"condition": "service_completed_successfully"}}
    assert migrate["build"] == serve["build"]
    target = f"NEOFORGE_{service.upper()}_TARGET"
    assert services["gateway"]["environment"][target] == f"{service}:8090"


def test_the_core_has_no_profile_and_everything_else_is_observability(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if service.get("profiles")} == OBSERVABILITY
    for name in OBSERVABILITY:
        assert services[name]["profiles"] == ["observability"]


def test_the_ports_of_postgresql_and_redis_are_those_that_are_documented(services: dict[str, Any]) -> None:
    assert given(services["postgres"]["ports"][0]) == "127.0.0.1:55432:5432"
    assert given(services["redis"]["ports"][0]) == "127.0.0.1:56379:6379"
    assert [given(port) for port in services["envoy"]["ports"]] == ["8080:8080", "8443:8443/tcp", "8443:8443/udp"]


def test_only_the_edge_can_be_reached_from_elsewhere(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for port in service.get("ports", []):
            assert name == "envoy" or given(port).startswith("127.0.0.1:"), name


def test_every_container_is_bounded_and_holds_no_right_that_it_does_not_need(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        if name != "postgres":  # its image prepares its folder as root
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name


def test_what_others_wait_for_has_a_health_check_by_a_query(services: dict[str, Any]) -> None:
    """A process of ours has the one of its image."""
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed] or "build" in services[needed], f"{name} waits for {needed}"
            else:
                assert needed in ONCE, f"{name} waits for {needed} to end"
    assert "SELECT 1" in services["postgres"]["healthcheck"]["test"][-1]
    assert "HEALTHCHECK" in (ROOT / "deploy" / "docker" / "Dockerfile").read_text()


def test_whatever_goes_on_running_has_a_health_check_if_its_image_can_ask(services: dict[str, Any]) -> None:
    """Not so the collector and the exporter of Redis, whose images hold one program and no other."""
    without = {name for name, service in services.items() if not {"healthcheck", "build"} & service.keys()}
    of_their_image = {f"{service}-worker" for service in SERVICES}
    assert without - of_their_image == {"roles", "otel-collector", "redis-exporter"}


def test_secrets_come_from_files_and_stand_in_no_environment(compose: dict[str, Any], services: dict[str, Any]) -> None:
    declared, used = set(compose["secrets"]), set()
    for service in services.values():
        used |= held_by(service)
        for setting in service.get("environment", {}):
            assert not re.search(r"(SECRET|PASSWORD|SECRET_KEY|DATABASE_URL|REDIS_URL)$", setting), setting
    assert used == declared


def held_by(service: dict[str, Any]) -> set[str]:
    return {secret if isinstance(secret, str) else secret["source"] for secret in service.get("secrets", [])}


def test_the_login_that_owns_a_schema_is_in_the_one_shot_of_its_migrations_alone(services: dict[str, Any]) -> None:
    for name, service in services.items():
        owners = {secret for secret in held_by(service) if secret.endswith("-migration-database-url")}
        own = {f"{name.removesuffix('-migrate')}-migration-database-url"} if name.endswith("-migrate") else set()
        assert owners == own, name
        if own:
            assert held_by(service) == own, name
            assert set(service["environment"]) == {"NEOFORGE_MIGRATION_DATABASE_URL_FILE"}


def test_a_process_holds_its_own_certificate_and_login_alone(services: dict[str, Any]) -> None:
    shared = {"ca.crt", "redis-url", "cursor-secret", "webhook-secret-key"}
    for service in SERVICES:
        for name in (service, f"{service}-worker"):
            held = held_by(services[name]) - shared
            own = {f"{service}-tls-crt", f"{service}-tls-key", f"{service}-database-url"}
            assert own <= held
            assert not [
                secret for secret in held - own for other in SERVICES if other != service and secret.startswith(other)
            ]


def test_what_is_mounted_from_the_checkout_is_there(services: dict[str, Any]) -> None:
    for name, service in (
        (name, service) for name, service in services.items() if name not in {"prometheus", "grafana"}
    ):
        for volume in service.get("volumes", []):
            source = given(volume).split(":")[0]
            if source.startswith("./") and not source.startswith("./.data/"):
                assert (ROOT / source).exists(), f"{name} mounts {source}"


def test_every_process_is_scraped() -> None:
    targets = yaml.safe_load((ROOT / "deploy" / "compose" / "targets" / "neoforge.yml").read_text())
    found = {(entry["targets"][0], entry["labels"]["service"], entry["labels"]["process"]) for entry in targets}
    wanted = {("gateway:8080", "gateway", "serve")}
    for service in SERVICES:
        wanted |= {(f"{service}:8091", service, "serve"), (f"{service}-worker:8091", service, "worker")}
    assert found == wanted


def test_the_override_runs_every_process_from_this_checkout(services: dict[str, Any]) -> None:
    override = yaml.safe_load((ROOT / "compose.override.yaml").read_text())["services"]
    assert set(override) == {
        "gateway",
        *(f"{service}{suffix}" for service in SERVICES for suffix in ("", "-worker", "-migrate")),
    }
    for service in override.values():
        for volume in service["volumes"]:
            assert (ROOT / volume.split(":")[0]).is_dir(), volume
        for watched in service["develop"]["watch"]:
            assert (ROOT / watched["path"]).exists(), watched


def test_secrets_are_made_once_for_their_owner_alone(compose: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    def make() -> dict[str, bytes]:
        subprocess.run([ROOT / "deploy" / "compose" / "secrets.sh", folder], check=True, capture_output=True)
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    first = make()
    assert folder.stat().st_mode & 0o777 == 0o700
    for secret in compose["secrets"].values():
        assert first[given(secret["file"]).removeprefix("./.data/compose/")].strip()
    assert make() == first


def test_a_certificate_names_its_process_as_callers_check_it(tmp_path: Path) -> None:
    subprocess.run([ROOT / "deploy" / "compose" / "secrets.sh", tmp_path], check=True, capture_output=True)
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    for process in ("gateway", "mail", *SERVICES):
        certificate = x509.load_pem_x509_certificate((tmp_path / f"{process}.tls.crt").read_bytes())
        certificate.verify_directly_issued_by(authority)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://neoforge/{process}"]
        assert process in names.get_values_for_type(x509.DNSName)


def test_envoy_shows_visitors_a_certificate_of_the_same_authority_and_it_may_read_its_key(tmp_path: Path) -> None:
    subprocess.run([ROOT / "deploy" / "compose" / "secrets.sh", tmp_path], check=True, capture_output=True)
    certificate = x509.load_pem_x509_certificate((tmp_path / "edge" / "tls.crt").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes()))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert (tmp_path / "edge").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "edge" / "tls.key").stat().st_mode & 0o777 == 0o644


def test_every_secret_is_where_the_variable_says(
    compose: dict[str, Any], services: dict[str, Any], tmp_path: Path
) -> None:
    subprocess.run([ROOT / "deploy" / "compose" / "secrets.sh", tmp_path], check=True, capture_output=True)
    mounted = [volume for service in services.values() for volume in service.get("volumes", [])]
    sources = [given(volume, NEOFORGE_SECRETS=str(tmp_path)).split(":")[0] for volume in mounted]
    sources += [given(secret["file"], NEOFORGE_SECRETS=str(tmp_path)) for secret in compose["secrets"].values()]
    assert not [source for source in sources if ".data" in source]
    secrets = [Path(source) for source in sources if source.startswith("/")]
    assert {tmp_path / "roles", tmp_path / "edge", tmp_path / "ca.crt"} <= set(secrets)
    assert not [path for path in secrets if not path.exists()]


def test_the_certificate_for_visitors_may_be_that_of_another_authority(services: dict[str, Any]) -> None:
    said = {"NEOFORGE_SECRETS": "/secrets", "NEOFORGE_EDGE_TLS": "/etc/letsencrypt"}
    assert "/etc/letsencrypt:/etc/envoy-tls:ro" in [given(volume, **said) for volume in services["envoy"]["volumes"]]


def test_postgresql_is_not_asked_for_more_connections_than_it_has(services: dict[str, Any]) -> None:
    """Ten for each process of a service by default, and some for migrations and people."""
    allowed = int(
        next(part.split("=")[1] for part in services["postgres"]["command"] if part.startswith("max_connections"))
    )
    assert 2 * 10 * len(SERVICES) + 20 <= allowed
