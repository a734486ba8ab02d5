"""What waits for a person: each in a sentence, with where they can deal with it. Absent when nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from app import navigation, queries, theme, upkeep_queries
from app.components.relative_time import duration
from app.components.status_badge import look_of
from app.queries import Job
from backend.domain.jobs import JobStatus
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval, ModelVersion
from backend.domain.serving import EndpointStatus, Stage

FAILED_FOR: Final = timedelta(hours=24)
"""What failed longer ago no longer asks for attention here; Jobs and Promote keep it."""

BAD_ENDS: Final = {
    Outcome.INTERRUPTED: ("died midway", "Finish or undo"),
    Outcome.FAILED: ("failed", "Read why"),
    Outcome.ROLLED_BACK: ("was taken back by the platform", "Read why"),
}
"""What is said of a deployment that ended so, and where the link to it invites."""

NAMED_JOBS: Final = 3
"""So many failed jobs have a line each."""

IDLE_FOR: Final = timedelta(hours=1)
"""An endpoint that costs money and that no client has asked for so long."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that waits for a person, and where they can deal with it."""

    text: str
    entry: navigation.Entry
    label: str
    address: dict[str, str]


def needs_of_stage(stage: Stage, now: datetime) -> list[Need]:
    """What waits for a person at one stage: an endpoint that is out of step, a deployment that ended badly."""
    found, of_stage = [], {"stage": stage.value}
    endpoint, history = queries.endpoint(stage), queries.deployments(stage)
    wanted, last = endpoint.wanted, history[0] if history else None
    changing = last is not None and last.outcome is Outcome.IN_PROGRESS
    well = endpoint.in_step and endpoint.status not in (EndpointStatus.FAILED, EndpointStatus.UNKNOWN)
    # What drifted has a banner of its own, with the buttons that put it right.
    if wanted is not None and not changing and not well and not endpoint.drift:
        serves = f"serves v{endpoint.served.version}" if endpoint.served else f"is {look_of(endpoint.status).word}"
        found.append(
            Need(
                text=f"{endpoint.name} should serve v{wanted.version} and {serves}.",
                entry=navigation.ENDPOINTS,
                label="Look at the endpoint",
                address=of_stage,
            )
        )
    if idle := _idling(stage, now):
        found.append(Need(text=idle, entry=navigation.ENDPOINTS, label="Look at the endpoint", address=of_stage))
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


def _idling(stage: Stage, now: datetime) -> str:
    """What is said of an endpoint that is paid for and that nobody asks; empty for one that is free, or is asked."""
    idle = upkeep_queries.idle(stage)
    if idle is None or idle.hourly == 0 or idle.length(now) < IDLE_FOR:
        return ""
    price = "whose price is unknown" if idle.hourly is None else f"at ${idle.hourly:,.2f} an hour"
    return f"Nobody has asked {stage.value} for {duration(idle.length(now))}: it runs on, {price}."


def needs(jobs: Sequence[Job], versions: Sequence[ModelVersion], now: datetime) -> list[Need]:
    found = [need for stage in Stage for need in needs_of_stage(stage, now)]
    found += _failed(jobs, now)
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


def _failed(jobs: Sequence[Job], now: datetime) -> list[Need]:
    """The newest failed jobs by name, and how many more there are. One that was resumed is dealt with."""
    resumed = {job.request.resumed_from for job in jobs}
    failed = [
        job.name
        for job in jobs
        if job.status is JobStatus.FAILED
        and job.ended_at is not None
        and now - job.ended_at < FAILED_FOR
        and job.name not in resumed
    ]
    named = [
        Need(text=f"Job {name} failed.", entry=navigation.JOBS, label="Read why", address={"job": name})
        for name in failed[:NAMED_JOBS]
    ]
    if more := len(failed) - len(named):
        them = "1 more job" if more == 1 else f"{more:,} more jobs"
        named.append(
            Need(text=f"{them} failed within a day.", entry=navigation.JOBS, label="Look at the jobs", address={})
        )
    return named


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
