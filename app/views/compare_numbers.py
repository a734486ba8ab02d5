"""Metrics, speed and hyperparameters of the versions, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from app import queries, theme
from app.comparison_figures import called, metric_columns, parameters, points, recalls
from app.components.accuracy_latency import accuracy_latency
from app.components.metric_chart import metric_chart
from app.components.metric_table import BEST, metric_table
from app.components.recall_chart import recall_chart
from backend.domain.comparison import Comparison, Contender
from backend.domain.jobs import TrainingJob
from backend.domain.training import Value

CURVES: Final = {
    "Validation accuracy": ("val_accuracy", "share right"),
    "Validation loss": ("val_loss", "nats"),
    "Training loss": ("train_loss", "nats"),
}


def metrics_card(found: Comparison, serving: Mapping[int, Sequence[str]]) -> None:
    with theme.card("metrics", "Metrics"):
        columns = metric_columns(found)
        if not columns:
            st.caption("No version was run here yet.")
            return
        metric_table([called(entry, serving) for entry in found.contenders], columns, key="compare_metrics")
        st.caption(
            f"{BEST} is the best of its column. Measured by running each archive on this machine, with one thread; "
            "– was not measured."
        )


def scatter_card(found: Comparison) -> None:
    with theme.card("scatter", "Accuracy against latency", stretch=True):
        shown = points(found)
        if len(shown) < 2:
            st.caption("Two versions that were run here are needed.")
            return
        accuracy_latency(shown, base=found.base.name, key="compare_scatter")
        st.caption(f"Up and left is better; no version beats those on the line. The diamond is {found.base.name}.")


def recall_card(found: Comparison, focus: Contender) -> None:
    with theme.card("recall", "Recall by digit", stretch=True):
        shown = [recall for entry in (found.base, focus) if (recall := recalls(entry))]
        named = {recall.name for recall in shown}
        others = [recall for entry in found.others if (recall := recalls(entry)) and recall.name not in named]
        recall_chart(shown, others, key="compare_recall")
        more = " Faint marks are the other versions." if others else ""
        st.caption(f"With Wilson's intervals at 95 %.{more}")


def curves_card(found: Comparison, jobs: Mapping[str, TrainingJob]) -> None:
    with theme.card("curves", stretch=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader("Training", anchor=False, width="content")
            chosen = st.segmented_control(
                "Metric",
                list(CURVES),
                default=next(iter(CURVES)),
                required=True,
                key="compare_curve",
                label_visibility="collapsed",
            )
        metric, unit = CURVES[str(chosen)]
        lines = {
            entry.name: queries.curve(entry.version.source_job, metric, ended=True)
            for entry in found.contenders
            if entry.version.source_job in jobs
        }
        lines = {name: line for name, line in lines.items() if line}
        if not lines:
            st.caption("None of these versions was trained here.")
            return
        metric_chart(lines, key="compare_curves", x_name="epoch", y_name=unit)


def parameters_card(found: Comparison, jobs: Mapping[str, TrainingJob]) -> None:
    with theme.card("parameters", "Hyperparameters", stretch=True):
        given: list[Mapping[str, Value]] = [
            jobs[entry.version.source_job].request.hyperparameters if entry.version.source_job in jobs else {}
            for entry in found.contenders
        ]
        told = parameters(given)
        if not told.differ and not told.equal:
            st.caption("None of these versions was trained here.")
            return
        if told.differ:
            rows = [
                {"Differs": label, **{entry.name: text for entry, text in zip(found.contenders, texts, strict=True)}}
                for label, texts in told.differ.items()
            ]
            st.dataframe(rows, hide_index=True, key="compare_parameters", height="content")
        else:
            st.caption("All hyperparameters are equal.")
        with st.expander(f"Equal in all ({len(told.equal)})", icon=":material/equal:"):
            st.dataframe(
                [{"Hyperparameter": label, "Value": text} for label, text in told.equal.items()],
                hide_index=True,
                key="compare_equal",
                height="content",
            )
