"""The columns of the runs' table, what it is sorted by and which metric it is about: choices that the address keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import streamlit as st

from backend.domain.run_columns import FIELDS, HOWS, Column, Order, differing, parse_column
from backend.domain.tracking import Run
from backend.errors import InvalidInputError

_AXES: Final = frozenset({"epoch", "step", "global_step"})
_PREFERRED: Final = ("val/accuracy", "val_accuracy", "accuracy", "val/loss", "val_loss", "loss")
_DIFFERENT: Final = 3
"""Columns of configuration that are shown when nobody chose: those that differ, the shortest names first."""
_NEWEST: Final = "started"
_LOOKED_AT: Final = 300
"""Runs whose configurations are compared for that: all of a large project would cost more than they tell."""


def objective(runs: Sequence[Run]) -> str:
    """The metric of the curves and of the best values; empty when no run has any."""
    metrics = metric_names(runs)
    if not metrics:
        return ""
    usual = next((name for name in _PREFERRED if name in metrics), metrics[0])
    return str(
        st.selectbox(
            "Metric",
            metrics,
            index=metrics.index(usual),
            key="runs_metric",
            bind="query-params",
            label_visibility="collapsed",
            width=170,
            persist_state="page",
            help="What the curves and the best values in the table are of.",
        )
    )


def metric_names(runs: Sequence[Run]) -> list[str]:
    """Every metric that can be drawn: the usual ones, then those of most runs."""
    counted = Counter(metric for run in runs for metric in run.metrics)
    # What trainings are judged by first: the first panels are those that are seen without scrolling.
    places = {name: place for place, name in enumerate(_PREFERRED)}
    drawn = (name for name in counted if name not in _AXES)
    return sorted(drawn, key=lambda name: (places.get(name, len(places)), -counted[name], name))


def chosen_columns(runs: Sequence[Run], metric: str) -> list[Column]:
    """The columns after the name, state and curve, which the table always has."""
    words = _words(runs)
    usual = _usual(runs, metric)
    with st.popover("Columns", icon=":material/view_column:"):
        picked = st.multiselect(
            "Columns",
            list(dict.fromkeys([*usual, *words])),
            default=usual,
            key="runs_columns",
            bind="query-params",
            accept_new_options=True,
            persist_state="page",
            help="Type METRIC@at:STEP for the value at a step.",
        )
    found = []
    for word in picked:
        try:
            found.append(parse_column(word))
        except InvalidInputError as error:
            st.text(f"{error.message} {error.hint}")
    return list(dict.fromkeys(found))


def chosen_orders(runs: Sequence[Run], metric: str) -> list[Order]:
    """What the rows are sorted by: one column, and a second for those that are equal in it."""
    words = list(
        dict.fromkeys([_NEWEST, *([f"{metric}@best"] if metric else []), *_usual(runs, metric), *_words(runs)])
    )
    orders = []
    with st.popover("Sort", icon=":material/sort:"):
        for number, title in ((1, "Sort by"), (2, "Then by")):
            with st.container(horizontal=True, vertical_alignment="bottom"):
                word = st.selectbox(
                    title,
                    words,
                    index=0 if number == 1 else None,
                    key=f"runs_sort{number}",
                    bind="query-params",
                    placeholder="nothing more",
                    width=250,
                    persist_state="page",
                )
                up = st.toggle("Smallest first", key=f"runs_up{number}", bind="query-params", persist_state="page")
            if word:
                orders.append(Order(column=parse_column(word), descending=not up))
    return orders


def _usual(runs: Sequence[Run], metric: str) -> list[str]:
    differing_names = sorted(
        differing([run.flat_config for run in runs[:_LOOKED_AT]]), key=lambda name: (len(name), name)
    )
    words = [f"{metric}@best", f"{metric}@last"] if metric else []
    words += [f"config.{name}" for name in differing_names if not name.startswith("data.")][:_DIFFERENT]
    words += [word for word in ("group", "tags") if any(getattr(run, word) for run in runs)]
    return [*words, "step", "duration", "started"]


def _words(runs: Sequence[Run]) -> list[str]:
    """Every column that these runs have something for."""
    config = sorted({name for run in runs for name in run.flat_config})
    summary = sorted({name for run in runs for name in run.flat_summary})
    fields = [name for name in FIELDS if name not in ("name", "state")]
    metrics = [f"{metric}@{how}" for metric in metric_names(runs) for how in HOWS]
    return [*fields, *(f"config.{name}" for name in config), *metrics, *(f"summary.{name}" for name in summary)]
