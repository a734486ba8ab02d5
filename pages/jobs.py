"""Jobs: all of them, or the one that `?job=` names, live."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from app import navigation, queries, theme
from app.components.confirm import confirm
from app.components.empty_state import empty_state, empty_state_link
from app.components.job_table import OBJECTIVE, job_table
from app.components.status_badge import look_of, status_badge
from app.context import backend
from app.errors import shown
from app.identity import actor, click_key, refusal
from app.views.job_detail import job_detail, versions_of
from backend.domain.identity import Role
from backend.domain.jobs import JobStatus, TrainingJob
from backend.errors import NotFoundError

REFRESH = "2s"


def matching(jobs: list[TrainingJob], text: str, statuses: list[str]) -> list[TrainingJob]:
    wanted = text.strip().lower()
    return [
        job
        for job in jobs
        if (not statuses or job.status.value in statuses)
        and (wanted in f"{job.name} {job.request.requested_by} {job.failure_reason}".lower())
    ]


def curve(job: TrainingJob) -> list[float]:
    read = queries.finished_metric_points if job.status.is_terminal else queries.metric_points
    return [point.values[OBJECTIVE] for point in read(job.name) if OBJECTIVE in point.values]


def clear_filter() -> None:
    st.session_state["jobs_search"] = ""
    st.session_state["jobs_status"] = []


@st.fragment(run_every=REFRESH)
def live_table() -> None:
    with shown("List the jobs"):
        jobs = list(queries.jobs())
        if not jobs:
            empty_state_link(
                key="jobs_empty",
                icon=":material/rocket_launch:",
                title="No jobs yet",
                sentence="Launch a training: the fast preset takes about a minute on two cores.",
                page=navigation.LAUNCH.file,
                label="Launch a training",
                link_icon=":material/arrow_forward:",
            )
            return
        left, right = st.columns([1, 3], vertical_alignment="bottom")
        with left:
            text = st.text_input("Search", key="jobs_search", bind="query-params", placeholder="name, person or reason")
        with right:
            statuses = st.pills(
                "Status",
                [status.value for status in JobStatus],
                selection_mode="multi",
                format_func=lambda word: look_of(word).word,
                key="jobs_status",
                bind="query-params",
            )
        found = matching(jobs, text or "", statuses or [])
        if not found:
            empty_state(
                key="jobs_no_match",
                icon=":material/filter_alt_off:",
                title="No job matches",
                sentence=f"{len(jobs)} jobs are there, none fits the filter.",
            )
            st.button("Clear the filter", key="jobs_clear_filter", on_click=clear_filter)
            return
        with theme.card("jobs"):
            chosen = job_table(found, {job.name: curve(job) for job in found[:50]}, key="jobs_table", now=now())
        if chosen:
            st.query_params["job"] = chosen
            st.rerun(scope="app")


def all_jobs() -> None:
    with theme.header("Jobs", "Every training; select one to follow it"):
        st.page_link(navigation.LAUNCH.file, label="Launch training", icon=navigation.LAUNCH.icon)
    live_table()


def one_job(name: str) -> None:
    if st.button("All jobs", key="jobs_back", icon=":material/arrow_back:", type="tertiary"):
        del st.query_params["job"]
        st.rerun()
    try:
        job = queries.job(name)
    except NotFoundError:
        empty_state_link(
            key="job_missing",
            icon=":material/search_off:",
            title="No such job",
            sentence="The address names a job that this installation does not have.",
            page=navigation.LAUNCH.file,
            label="Launch a training",
        )
        return
    with theme.header(job.name, f"Training job, preset {job.request.preset}"):
        status_badge(job.status)
        actions(job)
    job_detail(job)


def actions(job: TrainingJob) -> None:
    reason = refusal(Role.OPERATOR, "change jobs") or None
    if job.status.can_stop and st.button(
        "Stop", key="job_stop", icon=":material/stop_circle:", disabled=bool(reason), help=reason
    ):
        confirm(
            question=f"Stop {job.name}?",
            verb="Stop the job",
            consequences=[
                "The trainer is asked to end, and ended after ten seconds.",
                "Nothing can be registered from it.",
            ],
            apply=lambda: stop(job.name),
            icon=":material/stop_circle:",
        )
    if job.status in (JobStatus.FAILED, JobStatus.STOPPED) and st.button(
        "Resume",
        key="job_resume",
        icon=":material/resume:",
        disabled=bool(reason),
        help=reason or "A new job goes on from this one's last checkpoint.",
    ):
        with shown("Resume the job"):
            made = backend().launching.resume(job.name, actor=actor(), key=click_key("resume", job.name))
            queries.jobs.clear()
            st.switch_page(navigation.JOBS.file, query_params={"job": made.name})
    if st.button("Clone", key="job_clone", icon=":material/content_copy:", help="Open Launch with this configuration."):
        st.switch_page(navigation.LAUNCH.file, query_params={"clone": job.name})
    registered = versions_of(job)
    if registered:
        version = str(registered[0].version)
        st.page_link(
            navigation.PROMOTE.file,
            label=f"Version {version}",
            icon=":material/inventory_2:",
            query_params={"version": version},
        )
    elif st.button(
        "Register",
        key="job_register",
        type="primary",
        icon=":material/inventory_2:",
        disabled=bool(reason) or job.status is not JobStatus.COMPLETED,
        help=reason or (None if job.status is JobStatus.COMPLETED else "Only a completed job has a model to register."),
    ):
        with shown("Register the model"):
            made = backend().registration.register_job(job.name, actor=actor())
            queries.versions.clear()
            st.switch_page(navigation.PROMOTE.file, query_params={"version": str(made.version)})


def stop(name: str) -> None:
    backend().launching.stop(name, actor=actor())
    queries.job.clear()
    queries.jobs.clear()


def now() -> datetime:
    return datetime.now(UTC)


with shown("Show the jobs"):
    asked = st.query_params.get("job", "")
    one_job(asked) if asked else all_jobs()
