"""`helm install` against a cluster's API: what is missing there is told before anything is sent."""

from collections.abc import Iterator

import pytest
import yaml
from charts import CHART
from cluster import Cluster, running


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running() as server:
        yield server


def refused(cluster: Cluster, *values: str) -> str:
    done = cluster.helm("install", "neoforge", CHART, *values)
    assert done.returncode != 0
    return done.stderr


def documented() -> dict[str, list[str]]:
    """Every Secret that the chart reads by default, with its keys."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    found: dict[str, list[str]] = {}
    for process in values.values():
        if isinstance(process, dict) and "secrets" in process:
            for part in (process, process.get("worker", {}), process.get("migrate", {})):
                for source in part.get("secrets", {}).values():
                    found.setdefault(source["name"], []).append(source["key"])
    return found


@pytest.mark.parametrize("secret", sorted(documented()))
def test_a_secret_that_is_not_there_is_named_with_who_needs_it(cluster: Cluster, secret: str) -> None:
    cluster.secrets = {name: keys for name, keys in documented().items() if name != secret}
    said = refused(cluster)
    assert f"there is no Secret {secret} in the namespace neoforge, whose key " in said


def test_a_key_that_is_not_there_is_named_with_what_it_holds(cluster: Cluster) -> None:
    cluster.secrets = documented() | {"neoforge-auth": ["database-url", "cursor-secret"]}
    said = refused(cluster)
    assert "auth: the Secret neoforge-auth has no key auth-secret, which holds NEOFORGE_AUTH_SECRET." in said


TLS = ["ca.crt", "tls.crt", "tls.key"]
PROCESSES = sorted(path.stem for path in (CHART / "services").glob("*.yaml"))
BY_CHOICE = {
    "roles.enabled=true,roles.adminSecret=postgresql-admin": {
        "postgresql-admin": ["host", "port", "username", "password"],
        **{f"neoforge-{name}-roles": ["password", "owner-password"] for name in PROCESSES if name != "gateway"},
    },
    "edge.tls.secret=edge-tls": {"edge-tls": ["tls.crt", "tls.key"]},
    "global.tls.mode=secret": {f"neoforge-{name}-tls": TLS for name in PROCESSES},
}
"""Secrets that are read where a value asks for it."""


@pytest.mark.parametrize(
    ("values", "secret"),
    [
        pytest.param(values, secret, id=secret)
        for values, secrets in BY_CHOICE.items()
        for secret in sorted({min(secrets), max(secrets)})
    ],
)
def test_so_is_one_that_a_value_asks_for(cluster: Cluster, values: str, secret: str) -> None:
    wanted = documented() | BY_CHOICE[values]
    cluster.secrets = {name: keys for name, keys in wanted.items() if name != secret}
    said = refused(cluster, "--set", values)
    assert f"there is no Secret {secret} in the namespace neoforge, whose key " in said


@pytest.mark.parametrize("values", BY_CHOICE)
def test_and_so_is_a_key_of_it(cluster: Cluster, values: str) -> None:
    secret, keys = next(iter(BY_CHOICE[values].items()))
    cluster.secrets = documented() | BY_CHOICE[values] | {secret: keys[:-1]}
    said = refused(cluster, "--set", values)
    assert f"the Secret {secret} has no key {keys[-1]}, which holds " in said


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("projects.replcas=3", "Additional property replcas is not allowed"),
        ("projects.replicas=many", "Invalid type. Expected: integer, given: string"),
    ],
)
def test_a_typo_and_a_wrong_type_fail_the_install_too(cluster: Cluster, value: str, words: str) -> None:
    assert words in refused(cluster, "--set", value)
