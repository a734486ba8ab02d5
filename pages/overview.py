"""Overview: is it healthy, what is running, what needs somebody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import navigation, queries, theme
from app.components.plain_text import escaped
from app.components.relative_time import duration, relative, relative_time
from app.components.status_badge import status_badge
from app.context import backend
from app.errors import shown
from app.views import quickstart
from app.views.drift_banner import drift_banners
from app.views.stage_card import stage_card
from backend.domain.audit import WENT_WRONG, AuditEvent
from backend.domain.jobs import JobStatus
from backend.domain.operations import OperationStatus
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval, ModelVersion
from backend.domain.serving import EndpointStatus, Stage

REFRESH = "3s"  # with the age of what is cached, a fault is seen within five seconds
FAILED_FOR = timedelta(hours=24)
"""What failed longer ago no longer asks for attention here; Jobs and Promote keep it."""

BAD_ENDS = {
    Outcome.INTERRUPTED: ("died midway", "Finish or undo"),
    Outcome.FAILED: ("failed", "Read why"),
    Outcome.ROLLED_BACK: ("was taken back by the platform", "Read why"),
}
"""What is said of a deployment that ended so, and where the link to it invites."""

_DID_WIDTH = 112  # pixels, so that what it was done to stands in a column


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that waits for a person, and where they can deal with it."""

    text: str
    entry: navigation.Entry
    label: str
    address: dict[str, str]


def needs_of_stage(stage: Stage, now: datetime) -> list[Need]:
    """What waits for a person at one stage: an endpoint that is out of step, a deployment that ended badly."""
    found = []
    endpoint, history = queries.endpoint(stage), queries.deployments(stage)
    wanted, last = endpoint.wanted, history[0] if history else None
    changing = last is not None and last.outcome is Outcome.IN_PROGRESS
    well = endpoint.in_step and endpoint.status not in (EndpointStatus.FAILED, EndpointStatus.UNKNOWN)
    # What drifted has a banner of its own, with the buttons that put it right.
    if wanted is not None and not changing and not well and not endpoint.drift:
        serves = f"serves v{endpoint.served.version}" if endpoint.served else f"is {endpoint.status.value}"
        found.append(
            Need(
                text=f"{endpoint.name} should serve v{wanted.version} and {serves}.",
                entry=navigation.ENDPOINTS,
                label="Look at the endpoint",
                address={"stage": stage.value},
            )
        )
    if last is not None and last.outcome in BAD_ENDS:
        told, label = BAD_ENDS[last.outcome]
        # One that died midway waits for its Finish or Undo however long it takes.
        if last.outcome is Outcome.INTERRUPTED or now - (last.ended_at or last.started_at) < FAILED_FOR:
            found.append(
                Need(
                    text=f"The deployment of v{last.version} to {stage.value} {told}.",
                    entry=navigation.PROMOTE,
                    label=label,
                    address={"version": str(last.version), "stage": stage.value, "deployment": last.id},
                )
            )
    return found


def needs(jobs: Sequence[queries.Job], versions: Sequence[ModelVersion], now: datetime) -> list[Need]:
    found = [need for stage in Stage for need in needs_of_stage(stage, now)]
    found += [
        Need(
            text=f"Job {job.name} failed.",
            entry=navigation.JOBS,
            label="Read why",
            address={"job": job.name},
        )
        for job in jobs
        if job.status is JobStatus.FAILED and job.ended_at is not None and now - job.ended_at < FAILED_FOR
    ][:3]
    waiting = [version for version in versions if version.approval is Approval.PENDING]
    if waiting:
        newest = waiting[0].version
        others = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        found.append(
            Need(
                text=f"Version {newest}{others} waits for approval.",
                entry=navigation.PROMOTE,
                label="Decide",
                address={"version": str(newest)},
            )
        )
    return found


def needs_strip(found: Sequence[Need]) -> None:
    """Absent when nothing needs anybody."""
    if not found:
        return
    with theme.card("needs", "Needs you now"):
        for need in found:
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="center"):
                    st.markdown(":orange[:material/priority_high:]", width="content")
                    st.text(need.text, width="stretch")
                st.page_link(
                    need.entry.file,
                    label=need.label,
                    icon=":material/arrow_forward:",
                    icon_position="right",
                    query_params=need.address,
                    width="content",
                )


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
        for job in shown_jobs[:5]:
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


def best_models(versions: Sequence[ModelVersion]) -> None:
    evaluated = [version for version in versions if version.evaluation is not None]
    with theme.card("best", "Best models", stretch=True):
        if not evaluated:
            st.caption("Register a completed job: its accuracy appears here.")
        ranked = sorted(evaluated, key=lambda version: -version.evaluation.accuracy if version.evaluation else 0.0)
        for version in ranked[:5]:
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
                        st.caption(version.evaluation.dataset, width="content")


def recent_events(events: Sequence[AuditEvent], now: datetime) -> None:
    """Absent when nothing was recorded yet. Each leads to what it was done to."""
    if not events:
        return
    with theme.card("events", "Recent events"):
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
    with shown("Look around"):
        now = datetime.now(UTC)
        jobs, versions = queries.work(), queries.versions()
        needs_strip(needs(jobs, versions, now))
        for column, stage in zip(st.columns(2, gap="medium"), (Stage.PROD, Stage.STAGING), strict=True):
            with column:
                stage_card(stage, live=True)
        left, right = st.columns(2, gap="medium")
        with left:
            active_jobs(jobs, now)
        with right:
            best_models(versions)
        recent_events(queries.events(), now)


with theme.header("Overview", "Endpoints, training and the best models at a glance"):
    st.page_link(navigation.LAUNCH.file, label="Launch training", icon=navigation.LAUNCH.icon)
with shown("Look at the quick start"):
    operation = backend().quickstart.latest()
    if operation is None and not queries.work() and not queries.versions():
        begin_here()
    else:
        if operation is not None and operation.status is OperationStatus.COMPLETED:
            quickstart.finished(operation)
        elif operation is not None:
            quickstart.follow(operation)
        drift_banners()
        live()
