"""Who asks the stages: the last hour of both, beside each other."""

from __future__ import annotations

from datetime import UTC, datetime

from app import theme, upkeep_queries
from app.components.time_chart import Moment, time_chart
from app.views.stage_card import TITLES
from backend.domain.serving import Stage
from backend.domain.traffic import Span

_SPAN = Span.HOUR
_HEIGHT = 150  # pixels: the jobs below are still seen at once


def traffic_card() -> None:
    """Absent when nobody has asked anything within the hour."""
    now = datetime.now(UTC)
    lines = {
        TITLES[stage]: [Moment(sample.at, 60 * sample.per_second) for sample in upkeep_queries.samples(stage, _SPAN)]
        for stage in (Stage.PROD, Stage.STAGING)
    }
    if not any(moment.value for line in lines.values() for moment in line):
        return
    with theme.card("traffic"):
        time_chart(
            lines,
            key="overview_traffic",
            title="Traffic",
            unit="requests a minute by clients, in the last hour",
            span=(now - _SPAN.length, now),
            step=_SPAN.step,
            height=_HEIGHT,
        )
