"""What may reach what: the policies that the chart makes, and the drawing that they follow."""

import re

import pytest
from charts import ROOT, Object, name, refusal, rendered

pytestmark = pytest.mark.xdist_group("chart")


@pytest.fixture(scope="module")
def default() -> list[Object]:
    return rendered()


def test_only_the_drawn_arrows_are_open(default: list[Object]) -> None:
    policies = {item["metadata"]["name"]: item["spec"] for item in default if item["kind"] == "NetworkPolicy"}
    deny = policies["neoforge-default-deny"]
    assert deny.keys() == {"podSelector", "policyTypes"}
    everyone = deny["podSelector"]["matchLabels"].items()
    for whose, labels in (
        (name(item), item["spec"]["template"]["metadata"]["labels"])
        for item in default
        if item["kind"] in {"Deployment", "Job"}
    ):
        assert everyone <= labels.items(), f"{whose} is not denied"
        assert [p for p in policies if policies[p]["podSelector"]["matchLabels"].items() <= labels.items()] != [], whose

    def callers(process: str, port: int) -> set[tuple[str, str]]:
        found = set()
        for rule in policies[f"neoforge-{process}-serve"]["ingress"]:
            if {"port": port} in rule["ports"]:
                for labels in (peer["podSelector"]["matchLabels"] for peer in rule["from"] if "podSelector" in peer):
                    found.add((labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]))
        return found

    assert callers("projects", 8090) == {("gateway", "serve"), ("status", "worker")}
    assert callers("status", 8090) == {("gateway", "serve")}
    assert callers("gateway", 8080) == {("edge", "serve")}
    for policy in policies.values():
        for rule in policy.get("egress", []):
            assert rule.get("ports") or rule.get("to"), "a rule that opens everything"


NAMED = {5432: "postgresql", 6379: "redis", 443: "web", 587: "mail", 465: "mail"}
Arrow = tuple[str, str]


def process(labels: dict[str, str]) -> str:
    """As the drawing calls it."""
    whose, component = labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]
    return whose if component == "serve" else f"{whose}-{component}"


def peers(rule: Object, direction: str) -> set[str]:
    return {process(p["podSelector"]["matchLabels"]) for p in rule.get(direction, []) if "podSelector" in p}


def drawn() -> set[Arrow]:
    """The arrows of the drawing in docs/architecture.md, `a & b --> c & d` taken apart."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", page, re.DOTALL)
    found = set()
    for line in drawing.splitlines():
        ends = [re.sub(r"[\[(].*", "", part).strip() for part in re.split(r"-->|&", line)]
        sources = line.partition("-->")[0].count("&") + 1
        if "-->" in line:
            found |= {(source, end) for source in ends[:sources] for end in ends[sources:]}
    return found


def test_the_open_arrows_are_those_of_the_drawing_at_both_ends(default: list[Object]) -> None:
    leaves, enters = set[Arrow](), set[Arrow]()
    for item in default:
        labels = item["spec"]["podSelector"]["matchLabels"] if item["kind"] == "NetworkPolicy" else {}
        if "app.kubernetes.io/component" not in labels or process(labels) == "test":
            continue
        own = process(labels)
        for rule in item["spec"]["egress"]:
            ports = {port["port"] for port in rule["ports"]}
            if ports != {53}:
                leaves |= {(own, to) for to in peers(rule, "to") or {NAMED[port] for port in ports}}
        for rule in item["spec"]["ingress"]:
            enters |= {(peer, own) for peer in (peers(rule, "from") if "from" in rule else {"clients"})}
    outside = {"clients", *NAMED.values()}
    assert leaves == {arrow for arrow in drawn() if arrow[0] != "clients"}
    assert enters == {arrow for arrow in drawn() if arrow[1] not in outside}


def of_projects(*arguments: str) -> Object:
    """The policy of the serving process."""
    (found,) = (item for item in rendered(*arguments) if name(item) == "NetworkPolicy neoforge-projects-serve")
    policy: Object = found["spec"]
    return policy


def test_who_names_no_caller_is_called_by_nobody() -> None:
    policy = of_projects("--set-json", "projects.network.from=[]", "--set-json", "global.networkPolicy.monitoring=[]")
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert not policy["ingress"]


def admitted(pod: dict[str, str], policy: Object, port: int) -> bool:
    """Whether a policy lets a pod with these labels, of the same namespace, in on the port."""
    return any(
        {"port": port} in rule["ports"]
        and (
            "from" not in rule
            or any(
                "namespaceSelector" not in peer and peer["podSelector"]["matchLabels"].items() <= pod.items()
                for peer in rule["from"]
                if "podSelector" in peer
            )
        )
        for rule in policy["ingress"]
    )


FROM_ELSEWHERE = ("--set-json", 'edge.from=[{"namespaceSelector": {"matchLabels": {"name": "gateways"}}}]')


@pytest.mark.parametrize("values", [(), FROM_ELSEWHERE])
def test_the_pod_of_helm_test_reaches_the_edge_whoever_else_may(values: tuple[str, ...]) -> None:
    found = {name(item): item for item in rendered(*values)}
    tester = found["Pod neoforge-test"]["metadata"]["labels"]
    edge = found["NetworkPolicy neoforge-edge"]["spec"]
    assert admitted(tester, edge, 8080)
    assert not admitted(tester, edge, 9902)
    stranger = tester | {"app.kubernetes.io/instance": "another"}
    assert admitted(stranger, edge, 8080) == (not values)
    rules = found["NetworkPolicy neoforge-test"]["spec"]["egress"]
    to = [peer["podSelector"]["matchLabels"] for rule in rules for peer in rule.get("to", [])]
    labels = found["Deployment neoforge-edge"]["spec"]["template"]["metadata"]["labels"]
    assert [selector for selector in to if selector.items() <= labels.items()]


def test_no_rule_is_open_to_everybody_but_the_edges(default: list[Object]) -> None:
    for item in (item for item in default if item["kind"] == "NetworkPolicy"):
        for rule in item["spec"].get("ingress") or []:
            assert rule.get("from") or name(item) == "NetworkPolicy neoforge-edge", name(item)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('projects.network.from=["gatewya"]', "network.from.0 must be one of the following"),
        ('projects.network.from=["gateway-worker"]', "network.from.0 must be one of the following"),
        ('status.network.worker.to=["porjects"]', "network.worker.to.0 must be one of the following"),
        ("projects.network.worker.egress=[{}]", "Must have at least 1 properties"),
        ('projects.network.worker.egress=[{"ports": []}]', "Array must have at least 1 items"),
        ('projects.network.worker.egress=[{"port": 443}]', "Additional property port is not allowed"),
        ("edge.from=[{}]", "Must have at least 1 properties"),
        ('edge.from=[{"podSelectr": {}}]', "Additional property podSelectr is not allowed"),
        ('global.networkPolicy.database=[{"ipBlock": {}}]', "cidr is required"),
        ('global.networkPolicy.monitoring=[{"namespace": "x"}]', "Additional property namespace is not allowed"),
    ],
)
def test_a_peer_that_there_is_none_of_is_refused(value: str, words: str) -> None:
    assert words in refusal("--set-json", value)
