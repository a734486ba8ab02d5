"""A stage's traffic over time: requests, times, errors, and the machine's load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import streamlit as st

from app import theme, upkeep_queries
from app.components.time_chart import Line, Moment, time_chart
from app.errors import shown
from backend.domain.prediction_mix import Tally
from backend.domain.serving import Stage
from backend.domain.traffic import Sample, Span

REFRESH = "15s"
_PARAMETER = "range"


def chosen_span() -> Span:
    """How far back the address or the control says; an hour without either."""
    asked = st.query_params.get(_PARAMETER, "")
    known = [span.value for span in Span]
    word = st.segmented_control(
        "Range",
        known,
        default=asked if asked in known else Span.HOUR.value,
        required=True,
        format_func=lambda word: Span(word).words,
        key="endpoints_range",
        label_visibility="collapsed",
    )
    st.query_params[_PARAMETER] = word
    return Span(word)


def history_card(stage: Stage, span: Span) -> None:
    with theme.card("history", "Traffic"):
        st.fragment(_live, run_every=REFRESH)(stage, span)


def _live(stage: Stage, span: Span) -> None:
    with shown("Look at the traffic"):
        samples = upkeep_queries.samples(stage, span)
        tallies = upkeep_queries.answers(stage, span).tallies
        if not samples and not any(tally.failed for tally in tallies):
            st.caption(
                f"Nothing was seen in the last {span.words}. While the stage serves, there is a new sample each minute."
            )
            return
        _charts(samples, tallies, span)
        st.caption(f"{upkeep_queries.source()} A gap is a time in which nothing served. Times are UTC.")


def _charts(samples: Sequence[Sample], tallies: Sequence[Tally], span: Span) -> None:
    now = datetime.now(UTC)
    within = (now - span.length, now)

    def line(read: Callable[[Sample], float | None]) -> Line:
        return [Moment(sample.at, read(sample)) for sample in samples]

    def chart(key: str, title: str, lines: Mapping[str, Line], *, unit: str = "", top: float | None = None) -> None:
        time_chart(lines, key=f"history_{key}", title=title, unit=unit, span=within, step=span.step, top=top)

    with st.container(key="charts_traffic"):
        with st.container(key="chart_requests"):
            chart("requests", "Requests", {"answered": line(lambda s: s.per_second)}, unit="per second")
        with st.container(key="chart_latency"):
            times = {
                "p50": line(lambda s: s.p50_ms),
                "p95": line(lambda s: s.p95_ms),
                "p99": line(lambda s: s.p99_ms),
            }
            chart("latency", "Latency", times, unit="ms, on the server")
        with st.container(key="chart_errors"):
            _errors(samples, tallies, span, within)
        with st.container(key="chart_parts"):
            parts = {"queue": line(lambda s: s.queue_ms), "compute": line(lambda s: s.compute_ms)}
            told = {name: part for name, part in parts.items() if any(m.value is not None for m in part)}
            chart("parts", "Where the time goes", told or parts, unit="ms per request")
        with st.container(key="chart_cpu"):
            chart("cpu", "CPU", {"used": line(lambda s: _percent(s.cpu))}, unit="% of the machine", top=100)
        with st.container(key="chart_memory"):
            chart("memory", "Memory", {"used": line(lambda s: _percent(s.memory))}, unit="% of the machine", top=100)


def _errors(samples: Sequence[Sample], tallies: Sequence[Tally], span: Span, within: tuple[datetime, datetime]) -> None:
    failures: Mapping[str, Line] = {
        "server's": [Moment(sample.at, sample.failed) for sample in samples],
        "seen by our clients": [Moment(tally.at + span.step, tally.failed) for tally in tallies],
    }
    if not any(moment.value for line in failures.values() for moment in line):
        st.markdown("**Errors** :gray[requests]")
        st.caption(f":material/check_circle: None in the last {span.words}, of the server's or seen by our clients.")
        return
    time_chart(failures, key="history_errors", title="Errors", unit="requests", span=within, step=span.step, kind="bar")


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
