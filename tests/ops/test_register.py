"""One register of metrics, which code, dashboards, rules and documentation keep to."""

import json
import re
import subprocess
import sys

import pytest
from ops.catalogue import ROOT, SERVICES, matchers_in, names_in, of_series, register
from tests.ops.watching import dashboards, documented, rules

PROCESSES = {
    "gateway": ["gateway.serving"],
    **{name: [f"{name}.__main__", "chassis.jobs.worker", "chassis.webhooks.metrics"] for name in SERVICES},
}
FROM_PROMETHEUS = {"service", "process", "job", "instance"}
PROGRAM = """
import importlib, json, sys, prometheus_client
for name in sys.argv[1:]:
    importlib.import_module(name)
collectors = prometheus_client.REGISTRY._collector_to_names
made = [c for c in collectors if hasattr(c, "_labelnames")]
print(json.dumps([(c._name, c._type, c._labelnames, c._documentation) for c in made]))
"""

QUERIES = [
    *((f"panel {title}", query) for title, query in dashboards()),
    *((str(rule.get("record", rule.get("alert"))), rule["expr"]) for rule in rules()),
    *documented(),
]
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


@pytest.mark.parametrize("process", PROCESSES)
def test_every_metric_of_the_code_stands_in_the_register_as_it_is(process: str) -> None:
    metrics = register()
    command = [sys.executable, "-c", PROGRAM, *PROCESSES[process]]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    for name, type_, labels, documentation in json.loads(ran.stdout):
        metric = metrics[name + "_total" if type_ == "counter" else name]
        assert (metric.type, metric.labels, metric.meaning) == (type_, tuple(labels), documentation), name


def test_every_metric_of_the_register_that_is_ours_stands_in_the_code() -> None:
    source = "\n".join(
        file.read_text()
        for folder in ("chassis/src", "gateway/src", *(f"services/{name}/src" for name in SERVICES))
        for file in (ROOT / folder).rglob("*.py")
    )
    for name, metric in register().items():
        assert not metric.ours or name.startswith("process_") or f'"{name}"' in source, name


@pytest.mark.parametrize(("where", "query"), QUERIES)
def test_queries_use_what_the_register_has(where: str, query: str) -> None:
    known = of_series(register())
    assert names_in(query) <= known.keys() | RECORDED
    for name, label in matchers_in(query):
        if name in known:
            assert label in {*known[name].labels, *FROM_PROMETHEUS, "le"}, f"{name} has no label {label}"


@pytest.mark.parametrize(("where", "query"), QUERIES)
def test_what_several_processes_tell_of_the_same_state_is_never_added_up(where: str, query: str) -> None:
    for name in names_in(query):
        if name in register() and register()[name].max:
            assert re.search(rf"(?:max|absent)(?: by \([a-z, ]+\))? ?\({name}", query), query


def test_every_metric_in_the_documentation_stands_in_the_register_with_its_labels() -> None:
    metrics = register()
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for name, labels in re.findall(r"`([a-z][a-z0-9_]*_[a-z0-9_]+)(?:\{([^}`]*)\})?`", page.read_text()):
            if labels or name.endswith("_total"):
                named = tuple(label.partition("=")[0] for label in labels.split(",") if label)
                assert name in metrics, f"{page}: {name}"
                assert not named or set(named) <= set(metrics[name].labels), f"{page}: {name}{named}"
