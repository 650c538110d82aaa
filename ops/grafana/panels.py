"""What all dashboards are made of: panels of Prometheus queries, in one look."""

from collections.abc import Iterable

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, Row, ThresholdsConfig
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
)
from ops.catalogue import OF_PROMETHEUS, Metric, matchers_in, names_in, of_series, register
from ops.prometheus.slo import records
from ops.promises import RUNBOOKS

SECONDS, PER_SECOND, RATIO, BYTES, BYTES_PER_SECOND, NUMBER, MILLISECONDS = (
    units.Seconds,
    units.RequestsPerSecond,
    units.PercentUnit,
    units.BytesIEC,
    units.BytesPerSecondIEC,
    units.Short,
    units.Milliseconds,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
"""As provisioning/datasources/prometheus.yml names it."""

Query = tuple[str, str]
"""PromQL, and what its line is called."""

QUANTILES = (0.5, 0.95, 0.99)
GOOD, BAD = "green", "red"
TAG = "neoforge"


def board(uid: str, title: str, description: str) -> Dashboard:
    """Begin a dashboard."""
    return (
        Dashboard(f"NeoForge: {title}")
        .uid(f"neoforge-{uid}")
        .description(f"{description} Made by `make gen`; changes belong into ops/grafana/.")
        .tags([TAG])
        .link(DashboardLink("Dashboards").type(DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(as_dropdown=True))
        .link(
            DashboardLink("Runbooks")
            .type(DashboardLinkType.LINK)
            .url(f"{RUNBOOKS}/README.md")
            .target_blank(target_blank=True)
        )
        .readonly()
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
    )


def row(title: str) -> Row:
    """Begin a row of panels."""
    return Row(title)


def lines(
    title: str, unit: str, *queries: Query, exemplars: bool = False, span: int = 8, most: float | None = None
) -> timeseries.Panel:
    """Draw queries over time; what is above `most` is too much, as a line says."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(_about(title, queries))
        .unit(unit)
        .datasource(SOURCE)
        .min(0)
        .span(span)
        .height(8)
        .fill_opacity(8)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    if most is not None:
        line = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE)
        panel = panel.thresholds(_above(most)).thresholds_style(line)
    for target in _targets(queries, exemplars=exemplars):
        panel = panel.with_target(target)
    return panel


def number(
    title: str,
    unit: str,
    query: str,
    legend: str = "",
    span: int = 4,
    *,
    most: float | None = None,
    least: float | None = None,
) -> stat.Panel:
    """Show what a query gives now, in red where it is `most` or more, or below `least`."""
    panel = (
        stat.Panel()
        .title(title)
        .description(_about(title, [(query, legend)]))
        .unit(unit)
        .datasource(SOURCE)
        .span(span)
        .height(4)
        .color_mode(BigValueColorMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if most is not None or least is not None:
        panel = panel.thresholds(_above(most) if most is not None else _below(least)).color_mode(
            BigValueColorMode.VALUE
        )
    for target in _targets([(query, legend)], exemplars=False):
        panel = panel.with_target(target.instant())
    return panel


def quantiles(histogram: str, selector: str = "") -> list[Query]:
    """Give p50, p95 and p99 of a histogram."""
    of = f"{{{selector}}}" if selector else ""
    return [
        (
            f"histogram_quantile({q}, sum by (le) (rate({histogram}_bucket{of}[$__rate_interval])))",
            f"p{q * 100:g}",
        )
        for q in QUANTILES
    ]


def _above(most: float) -> ThresholdsConfig:
    steps = [Threshold(value=None, color=GOOD), Threshold(value=most, color=BAD)]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _below(least: float | None) -> ThresholdsConfig:
    steps = [Threshold(value=None, color=BAD), Threshold(value=least, color=GOOD)]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _about(title: str, queries: Iterable[Query]) -> str:
    """Say what the metrics mean that are looked at, as the register does.

    Raises:
        ValueError: the register does not have a name or a label, or times, bytes and numbers share a unit.
    """
    known, recorded = of_series(register()), set(records())
    used = dict.fromkeys(name for expression, _ in queries for name in sorted(names_in(expression)))
    if unknown := used.keys() - known.keys() - recorded:
        raise ValueError(f"panel {title!r}: the register (ops/metrics.toml) has no {', '.join(sorted(unknown))}")
    for expression, _ in queries:
        for name, label in matchers_in(expression):
            if name in known and label not in {*known[name].labels, *OF_PROMETHEUS}:
                raise ValueError(f"panel {title!r}: {name} has no label {label}")
    if len(kinds := {kind for expression, _ in queries for kind in _kind(expression, known)}) > 1:
        raise ValueError(f"panel {title!r}: one unit cannot be that of {' and '.join(sorted(kinds))}")
    told = {known[name].name: known[name].meaning for name in used if name in known}
    told |= {name: _recorded(name) for name in used if name not in known}
    return "\n\n".join(f"{meaning} (`{name}`)." for name, meaning in told.items())


def _kind(expression: str, known: dict[str, Metric]) -> set[str]:
    """Give what a query is a number of, if all that it reads is of one kind."""
    kinds = {
        known[name].unit if known[name].unit in {"seconds", "milliseconds", "bytes"} and not counts else "things"
        for name in names_in(expression) & known.keys()
        for counts in [known[name].type == "histogram" and name.endswith("_count")]
    }
    return kinds if len(kinds) == 1 else set()


def _recorded(name: str) -> str:
    objective, _, window = name.removeprefix("service:").partition("_bad:ratio_rate")
    return f"Share of requests that break the promise of {objective}, over {window}"


def _targets(queries: Iterable[Query], *, exemplars: bool) -> Iterable[prometheus.Dataquery]:
    for position, (expression, legend) in enumerate(queries):
        query = prometheus.Dataquery().ref_id("ABCDEFGH"[position]).datasource(SOURCE).expr(expression)
        query = query.legend_format(legend or "__auto")
        yield query.exemplar(exemplar=True) if exemplars else query
