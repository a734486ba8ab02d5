"""One training job: how it goes, what it is, what it left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.components.error_panel import error_panel
from app.components.freshness import billed_words, cost_words
from app.components.metric_chart import metric_chart
from app.components.notice import notice
from app.components.relative_time import duration, relative_time
from app.context import backend
from app.errors import shown
from app.views.job_actions import versions_of
from app.views.job_log import job_log
from app.views.lineage import run_link, version_links
from backend.domain.capabilities import Feature
from backend.domain.jobs import JobStatus, MetricPoint, TrainingJob
from backend.domain.training import epochs_of

REFRESH = "2s"
_LOSSES = {"training": "train_loss", "validation": "val_loss"}
_ACCURACIES = {"training": "train_accuracy", "validation": "val_accuracy"}


def job_detail(job: TrainingJob) -> None:
    """Everything below the job's title. While the job lives, the live part draws itself again every two seconds."""
    if job.status is JobStatus.FAILED:
        error_panel(
            key="job_failed",
            what="This job failed.",
            why=job.failure_reason,
            next_step="Read the end of the log below. Resume goes on from its last checkpoint, Clone begins anew.",
        )
    for number, text in enumerate(job.notices):
        notice(text, key=f"job_{number}")
    ended = job.status.is_terminal
    # A finished job no longer changes: it is drawn once and costs nothing more.
    st.fragment(_live, run_every=None if ended else REFRESH)(job.name, job.status)
    left, right = st.columns(2, gap="medium")
    with left, theme.card("configuration", "Configuration", stretch=True):
        rows = [{"Hyperparameter": name, "Value": str(value)} for name, value in job.request.hyperparameters.items()]
        st.dataframe(rows, hide_index=True, key="job_configuration", height=300, alt="Configuration")
    with right, theme.card("artifacts", "Artifacts", stretch=True):
        _artifacts(job)


def job_link(label: str, name: str, icon: str) -> None:
    st.page_link(navigation.JOBS.file, label=label, icon=icon, query_params={"job": name}, width="content")


def _live(name: str, status_when_drawn: JobStatus) -> None:
    with shown("Follow the job"):
        job = queries.job(name)
        if job.status is not status_when_drawn:
            st.rerun(scope="app")  # title, buttons and artifacts follow the status too
        with theme.card("progress"):
            _numbers(job)
            if not job.status.is_terminal:
                st.progress(min(1.0, job.progress), text=_progress_text(job))
        points = queries.metric_points(name)
        left, right = st.columns(2, gap="medium")
        with left, theme.card("loss", "Loss"):
            _chart(job, points, _LOSSES, "job_loss", "nats")
        with right, theme.card("accuracy", "Accuracy"):
            _chart(job, points, _ACCURACIES, "job_accuracy", "share right")
        job_log(name, queries.log_tail(name), backend().training.read_log)


def _numbers(job: TrainingJob) -> None:
    took = job.duration(datetime.now(UTC))
    with st.container(horizontal=True, gap="large"):
        st.metric(
            "Elapsed" if not job.status.is_terminal else "Duration", duration(took) if took else "-", width="content"
        )
        for label, name in (
            ("Validation accuracy", "val_accuracy"),
            ("Test accuracy", "test_accuracy"),
            ("Drawings", "freehand_accuracy"),
        ):
            value = job.metrics.get(name)
            st.metric(label, "-" if value is None else f"{value:.2%}", width="content")
        loss = job.metrics.get("train_loss")
        st.metric("Training loss", "-" if loss is None else f"{loss:.4f}", width="content")
        if job.billing is not None:
            st.metric("Cost", cost_words([job.billing]), width="content", help=billed_words(job.billing))


def _progress_text(job: TrainingJob) -> str:
    if job.status is JobStatus.PENDING:
        queued = Feature.QUEUE not in backend().training.unsupported
        return f"{'Waiting for a slot' if queued else 'Being launched'}. You may leave this page."
    epoch = job.metrics.get("epoch")
    of = f"epoch {math.ceil(epoch)} of {epochs_of(job.request.hyperparameters)}" if epoch else "starting"
    took = job.duration(datetime.now(UTC))
    left = f", about {duration(took / job.progress - took)} left" if took and job.progress > 0.1 else ""
    return f"{job.progress:.0%}, {of}{left}. You may leave this page."


def _chart(job: TrainingJob, points: Sequence[MetricPoint], names: dict[str, str], key: str, unit: str) -> None:
    """Over passes, in fractions of one: reports within an epoch and at its end lie on one axis."""
    series = {
        label: [(p.values["epoch"], p.values[name]) for p in points if {name, "epoch"} <= p.values.keys()]
        for label, name in names.items()
    }
    if not any(series.values()):
        ended = job.status.is_terminal
        st.caption("No report." if ended else "No report yet: the first comes some seconds after the trainer starts.")
        return
    metric_chart(
        {label: line for label, line in series.items() if line},
        key=key,
        x_name="epoch",
        y_name=unit,
        x_range=(0, float(epochs_of(job.request.hyperparameters))),
    )


def _artifacts(job: TrainingJob) -> None:
    relative_time(job.created_at, before="Launched")
    st.text(f"by {job.request.requested_by}, preset {job.request.preset}")
    for words, origin, icon in (
        ("Trial of", job.request.tuning_job, ":material/tune:"),
        ("Resumed from", job.request.resumed_from, ":material/resume:"),
    ):
        if origin:
            job_link(f"{words} {origin}", origin, icon)
    if job.archive:
        st.caption("Model archive (a Triton model repository)")
        st.code(job.archive, language=None, wrap_lines=True)
        st.caption("SHA-256")
        st.code(job.sha256, language=None, wrap_lines=True)
    if job.run:
        st.caption("W&B run (recorded on this machine)")
        st.code(job.run, language=None)
        run_link(job.name)
    if job.status.can_stop:
        command_line(f"python -m backend jobs stop {job.name}")
    elif job.status is JobStatus.COMPLETED:
        command_line(f"python -m backend register {job.name}")
    else:
        command_line(f"python -m backend jobs resume {job.name}")
    _lineage(job)


def _lineage(job: TrainingJob) -> None:
    """Job, version, endpoint: each a link, as far as it has come."""
    if versions_of(job.name):
        st.caption("Lineage")
        with st.container(horizontal=True, vertical_alignment="center"):
            version_links(job.name)
