"""Overview: is it healthy, what is running, what needs somebody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import navigation, queries, theme
from app.components.freshness import freshness_line
from app.components.plain_text import escaped
from app.components.relative_time import duration, relative, relative_time
from app.components.status_badge import status_badge
from app.context import backend
from app.errors import shown
from app.state import Key
from app.views import quickstart
from app.views.drift_banner import drift_banners
from app.views.job_actions import ask_to_stop
from app.views.needs_strip import needs, needs_strip
from app.views.stage_card import stage_card
from app.views.traffic_card import traffic_card
from backend.domain.audit import WENT_WRONG, AuditEvent
from backend.domain.evaluation import Evaluation
from backend.domain.operations import OperationStatus
from backend.domain.registry import ModelVersion
from backend.domain.serving import Stage

REFRESH = "3s"  # with the age of what is cached, a fault is seen within five seconds
SHOWN = 5
"""Jobs that run, and models, at once."""
_DID_WIDTH = 112  # pixels, so that what it was done to stands in a column


def _row(key: str) -> DeltaGenerator:
    """One line of a list: two containers are put into it, for the left and the right."""
    return st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        gap="small",
        key=f"row_{key}",
    )


def active_jobs(jobs: Sequence[queries.Job], now: datetime) -> None:
    active = [job for job in jobs if not job.status.is_terminal]
    shown_jobs = active or list(jobs[:3])
    with theme.card("active", "Running" if active else "Newest jobs", stretch=True):
        for job in shown_jobs[:SHOWN]:
            with _row(f"job_{job.name}"):
                st.page_link(
                    navigation.JOBS.file,
                    label=job.name,
                    icon=navigation.JOBS.icon,
                    query_params={"job": job.name},
                    width="content",
                )
                took = job.duration(now)
                with st.container(horizontal=True, width="content", vertical_alignment="center"):
                    st.caption(duration(took) if took else relative(job.created_at, now), width="content")
                    status_badge(job.status)
            if not job.status.is_terminal:
                st.progress(min(1.0, job.progress))
        if (more := len(active) - SHOWN) > 0:
            label = f"and {more:,} more"
            st.page_link(navigation.JOBS.file, label=label, icon=navigation.JOBS.icon, width="content")


def best_models(versions: Sequence[ModelVersion]) -> None:
    """By accuracy on the test set that prod's version was tried on; what was tried on another comes after it."""
    served = queries.endpoint(Stage.PROD).served
    in_prod = next((v.evaluation for v in versions if served and v.version == served.version), None)
    with theme.card("best", "Best models", stretch=True):
        ranked = ranked_against(in_prod, versions)
        if not ranked:
            st.caption("Register a completed job: its accuracy appears here.")
        for version in ranked[:SHOWN]:
            with _row(f"version_{version.version}"):
                st.page_link(
                    navigation.PROMOTE.file,
                    label=f"Version {version.version}",
                    icon=":material/inventory_2:",
                    query_params={"version": str(version.version)},
                    width="content",
                )
                with st.container(horizontal=True, width="content", vertical_alignment="center"):
                    for stage in Stage:
                        served = queries.endpoint(stage).served
                        if served is not None and served.version == version.version:
                            st.badge(stage.value, color="green", icon=":material/cloud_done:")
                    if version.evaluation:
                        st.markdown(f"**{version.evaluation.accuracy:.2%}**", width="content")
                        st.caption(escaped(version.evaluation.dataset), width="content")
                        if beside := against(in_prod, version.evaluation):
                            st.caption(escaped(beside), width="content")


def ranked_against(in_prod: Evaluation | None, versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """The evaluated versions, the best first; accuracies on different test sets cannot be compared."""
    evaluated = [(version.evaluation, version) for version in versions if version.evaluation is not None]
    test_set = in_prod.test_sha256 if in_prod else evaluated[0][0].test_sha256 if evaluated else ""
    evaluated.sort(key=lambda pair: (pair[0].test_sha256 != test_set, -pair[0].accuracy))
    return [version for _, version in evaluated]


def against(in_prod: Evaluation | None, evaluation: Evaluation) -> str:
    """How far it is from prod's, in points of accuracy; empty for that one itself, and where it cannot be said."""
    if in_prod is None or evaluation is in_prod or in_prod.test_sha256 != evaluation.test_sha256:
        return ""
    points = 100 * (evaluation.accuracy - in_prod.accuracy)
    return "as prod" if abs(points) < 0.005 else f"{points:+.2f} to prod"


def recent_events(events: Sequence[AuditEvent], now: datetime) -> None:
    """Absent when nothing was recorded yet. Each leads to what it was done to."""
    if not events:
        return
    with theme.card("events"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader("Recent events", anchor=False, width="content")
            st.page_link(navigation.AUDIT.file, label="All events", icon=navigation.AUDIT.icon, width="content")
        for number, event in enumerate(events[:8]):
            with _row(f"event_{number}"):
                with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center"):
                    st.text(f"{event.actor} · {event.action}", width=_DID_WIDTH)
                    _subject_of(event)
                with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center"):
                    if event.outcome in WENT_WRONG:
                        st.badge(event.outcome.capitalize(), color="red", icon=":material/error:")
                    relative_time(event.at, now=now)


def _subject_of(event: AuditEvent) -> None:
    kind, _, name = event.subject.partition(" ")
    deployment = str(event.after.get("deployment", ""))
    addresses = {
        "job": (navigation.JOBS, {"job": name}),
        "version": (navigation.PROMOTE, {"version": name}),
        "stage": (navigation.ENDPOINTS, {"stage": name}),
    }
    entry, address = addresses.get(kind, (navigation.DRAW, {}))
    label = event.subject
    if deployment:
        version = str(event.after["version"])
        entry, address = navigation.PROMOTE, {"version": version, "stage": name, "deployment": deployment}
        label = f"v{version}, {event.subject}"
    st.page_link(entry.file, label=escaped(label), icon=entry.icon, query_params=address, width="content")


def begin_here() -> None:
    """The first thing on a new installation: one button, or the same way step by step."""
    quickstart.offer()
    st.caption("Or step by step")
    steps = (
        (navigation.LAUNCH, "1. Train", "Choose a preset and launch."),
        (navigation.JOBS, "2. Register", "The completed job becomes version 1."),
        (navigation.PROMOTE, "3. Promote", "Approve it; a real Triton serves it."),
        (navigation.DRAW, "4. Draw", "Draw a digit and see the answer."),
    )
    for column, (entry, title, sentence) in zip(st.columns(len(steps)), steps, strict=True):
        with column, theme.card(f"step_{entry.address}", stretch=True):
            st.page_link(entry.file, label=title, icon=entry.icon)
            st.caption(sentence)


@st.fragment(run_every=REFRESH)
def live() -> None:
    """What cannot be looked at is told in its own place: the rest of the page goes on."""
    now = datetime.now(UTC)
    freshness_line(backend().freshness())
    with shown("Look for what needs you"):
        needs_strip(needs(queries.work(), queries.versions(), now))
    for column, stage in zip(st.columns(2, gap="medium"), (Stage.PROD, Stage.STAGING), strict=True):
        with column, shown(f"Look at {stage.value}"):
            stage_card(stage, live=True)
    with shown("Look at the traffic"):
        traffic_card()
    left, right = st.columns(2, gap="medium")
    with left, shown("List the jobs"):
        active_jobs(queries.work(), now)
    with right, shown("List the models"):
        best_models(queries.versions())
    with shown("Read the events"):
        recent_events(queries.events(), now)


def quick_start() -> bool:
    """Offer it, follow it, or say that it is done; returns whether the installation is new, which has nothing more."""
    if asked := st.session_state.pop(Key.ASKED_TO_STOP, []):
        ask_to_stop([queries.any_job(name) for name in asked])
    operation = backend().quickstart.latest()
    if operation is None:
        if new := not queries.work() and not queries.versions():
            begin_here()
        return new
    if operation.status is OperationStatus.COMPLETED:
        quickstart.finished(operation)
    else:
        quickstart.follow(operation)
    return False


with theme.header("Overview", "Endpoints, training and the best models at a glance"):
    st.page_link(navigation.LAUNCH.file, label="Launch training", icon=navigation.LAUNCH.icon)
new_here = False
with shown("Look at the quick start"):
    new_here = quick_start()
if not new_here:
    with shown("Look for drift"):
        drift_banners()
    live()
