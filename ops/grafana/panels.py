"""What all dashboards are made of: panels of Prometheus queries, in one look."""

from collections.abc import Iterable

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

SECONDS, PER_SECOND, RATIO, BYTES, NUMBER, MILLISECONDS = (
    units.Seconds,
    units.RequestsPerSecond,
    units.PercentUnit,
    units.BytesIEC,
    units.Short,
    units.Milliseconds,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
"""As provisioning/datasources/prometheus.yml names it."""

Query = tuple[str, str]
"""PromQL, and what its line is called."""

QUANTILES = (0.5, 0.95, 0.99)


def board(uid: str, title: str, description: str) -> Dashboard:
    """Begin a dashboard."""
    return (
        Dashboard(f"NeoForge: {title}")
        .uid(f"neoforge-{uid}")
        .description(f"{description} Made by `make gen`; changes belong into ops/grafana/.")
        .tags(["neoforge"])
        .readonly()
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
    )


def row(title: str) -> Row:
    """Begin a row of panels."""
    return Row(title)


def lines(title: str, unit: str, *queries: Query, exemplars: bool = False, span: int = 8) -> timeseries.Panel:
    """Draw queries over time."""
    panel = (
        timeseries.Panel()
        .title(title)
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
    for target in _targets(queries, exemplars=exemplars):
        panel = panel.with_target(target)
    return panel


def number(title: str, unit: str, query: str, legend: str = "", span: int = 4) -> stat.Panel:
    """Show what queries give now."""
    panel = (
        stat.Panel()
        .title(title)
        .unit(unit)
        .datasource(SOURCE)
        .span(span)
        .height(4)
        .color_mode(BigValueColorMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    for target in _targets([(query, legend)], exemplars=False):
        panel = panel.with_target(target.instant())
    return panel


def quantiles(histogram: str, selector: str) -> list[Query]:
    """Give p50, p95 and p99 of a histogram."""
    return [
        (
            f"histogram_quantile({q}, sum by (le) (rate({histogram}_bucket{{{selector}}}[$__rate_interval])))",
            f"p{q * 100:g}",
        )
        for q in QUANTILES
    ]


def _targets(queries: Iterable[Query], *, exemplars: bool) -> Iterable[prometheus.Dataquery]:
    for position, (expression, legend) in enumerate(queries):
        query = prometheus.Dataquery().ref_id("ABCDEFGH"[position]).datasource(SOURCE).expr(expression)
        query = query.legend_format(legend or "__auto")
        yield query.exemplar(exemplar=True) if exemplars else query
