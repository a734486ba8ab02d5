"""The linked charts of the chosen runs, and the controls above them; each of their settings is in the address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from app import run_queries
from app.components.run_charts import Range, parse_range, run_charts, zoomed_to
from app.patterns import pattern
from app.run_figures import EPOCH, RELATIVE, STEP, WALL, Drawing
from app.views.run_columns import metric_names
from backend.domain.run_columns import differing
from backend.domain.run_values import is_better_smaller
from backend.domain.tracking import Run

CHARTS: Final = "runs_chart"
MOST_PANELS: Final = 24
_ZOOM: Final = "zoom"
_UNGROUPED: Final = "each run"
_BANDS: Final = ("deviation", "range")


def charts_of(runs: Sequence[Run]) -> None:
    """Controls and charts; a sentence where there is nothing to draw."""
    names = metric_names(runs)
    if not names:
        st.caption("None of these runs has logged a number yet.")
        return
    axis, smoothing, group, band, log_x, log_y, metrics = _controls(runs, names)
    if not metrics:
        return
    drawing = Drawing(
        metrics=metrics,
        x=axis,
        smoothing=smoothing,
        log_x=log_x,
        log_y=log_y,
        grouped=group != _UNGROUPED,
        band="range" if band == "range" else "deviation",
        range=_zoom(),
        smaller_is_better=frozenset(name for name in metrics if is_better_smaller(name, runs)),
    )
    groups = [_group_of(run, group) for run in runs]
    run_charts(run_queries.encoded_charts(runs, groups, drawing), key=CHARTS, on_zoom=_keep_zoom)
    st.caption("Drag to zoom all charts, double click for everything again. Click a line to keep it highlighted.")


def colours_of(runs: Sequence[Run]) -> dict[str, int]:
    """By key, the number of the colour of the run's line, or of its group's when the charts show averages."""
    by = st.session_state.get("runs_group") or st.query_params.get("runs_group") or _UNGROUPED
    if by == _UNGROUPED or len(runs) < 2:
        return {run.key: number for number, run in enumerate(runs)}
    groups = {run.key: _group_of(run, by) for run in runs}
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups.values()))}
    return {key: numbers[group] for key, group in groups.items()}


def _controls(runs: Sequence[Run], names: Sequence[str]) -> tuple[str, float, str, str, bool, bool, Sequence[str]]:
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs_chart_controls"):
        wanted = st.text_input(
            "Metrics",
            key="runs_metrics",
            bind="query-params",
            placeholder="regular expression",
            width=170,
            persist_state="page",
        )
        axes = [STEP, RELATIVE, WALL, *([EPOCH] if any(EPOCH in run.metrics for run in runs) else []), *names]
        axis = st.selectbox(
            "Over",
            axes,
            index=axes.index(_usual_axis(runs, names[0], axes)),
            key="runs_x",
            bind="query-params",
            width=140,
            persist_state="page",
        )
        smoothing = st.slider(
            "Smoothing",
            0.0,
            0.99,
            0.0,
            0.01,
            key="runs_smooth",
            bind="query-params",
            width=150,
            persist_state="page",
            help="Exponential moving average, corrected for its start; the raw line stays, faint (up to 50 runs).",
        )
        group = _UNGROUPED
        if len(runs) > 1:
            group = st.selectbox(
                "Average by", _groupings(runs), key="runs_group", bind="query-params", width=150, persist_state="page"
            )
        band = "deviation"
        if group != _UNGROUPED:
            band = st.selectbox(
                "Band",
                _BANDS,
                key="runs_band",
                bind="query-params",
                width=120,
                persist_state="page",
                help="One standard deviation to each side of the mean, or from the lowest run to the highest.",
            )
        log_x = st.toggle("Log x", key="runs_logx", bind="query-params", persist_state="page")
        log_y = st.toggle("Log y", key="runs_logy", bind="query-params", persist_state="page")
    return axis, smoothing, group, band, log_x, log_y, _matching(names, wanted or "")


def _usual_axis(runs: Sequence[Run], metric: str, axes: Sequence[str]) -> str:
    """What `define_metric` said that the metric is to be drawn over, when all of the runs agree."""
    said = {definition.step_metric for run in runs if (definition := run.definition(metric)) is not None}
    agreed = len(said) == 1 and all(run.definition(metric) is not None for run in runs)
    return next((axis for axis in said if axis in axes), STEP) if agreed else STEP


def _matching(names: Sequence[str], wanted: str) -> Sequence[str]:
    try:
        fits = pattern(wanted, ignore_case=True)
    except ValueError as error:
        with st.container(key="runs_metrics_problem"):
            st.text(f"This is no regular expression: {error}.")
        return names[:MOST_PANELS]
    found = [name for name in names if fits(name)]
    if not found:
        with st.container(key="runs_metrics_problem"):
            st.text(f"No metric of these runs fits {wanted!r}. They have {', '.join(names[:12])}.")
    if len(found) > MOST_PANELS:
        st.caption(f"{MOST_PANELS} of {len(found)} metrics; name fewer of them to see the others.")
    return found[:MOST_PANELS]


def _groupings(runs: Sequence[Run]) -> list[str]:
    """What runs can be averaged by: something that some of them share and not all."""
    fields = [field for field in ("group", "job_type", "tags") if any(getattr(run, field) for run in runs)]
    names = [f"config.{name}" for name in differing([run.flat_config for run in runs])]
    return [_UNGROUPED, *fields, *names]


def _group_of(run: Run, by: str) -> str:
    if by == _UNGROUPED:
        return ""
    if by.startswith("config."):
        value = run.flat_config.get(by.removeprefix("config."))
        return f"{by.removeprefix('config.')} {'none' if value is None else value}"
    value = getattr(run, by, "")
    return value if isinstance(value, str) else ", ".join(value)


def _zoom() -> Range | None:
    words = st.query_params.get(_ZOOM, "").split(",")
    try:
        return parse_range([float(word) for word in words])
    except ValueError:
        return None


def _keep_zoom() -> None:
    chosen = zoomed_to(CHARTS)
    if chosen is None:
        st.query_params.pop(_ZOOM, None)
    else:
        st.query_params[_ZOOM] = f"{chosen[0]:.10g},{chosen[1]:.10g}"
