"""Jobs: all of them, or the one that `?job=` names, live."""

from __future__ import annotations

import streamlit as st

from app import navigation, queries, theme
from app.components.empty_state import empty_state_link
from app.components.status_badge import status_badge
from app.errors import shown
from app.state import Key
from app.views.job_actions import ask_to_stop, training_actions, tuning_actions
from app.views.job_detail import job_detail
from app.views.job_list import live_table
from app.views.tuning_detail import tuning_detail
from backend.domain.tuning import TuningJob
from backend.errors import NotFoundError


def all_jobs() -> None:
    with theme.header("Jobs", "Every training and every search; select one to follow it"):
        st.page_link(navigation.LAUNCH.file, label="Launch training", icon=navigation.LAUNCH.icon)
        st.page_link(
            navigation.LAUNCH.file, label="Launch tuning", icon=":material/tune:", query_params={"mode": "tune"}
        )
    if asked := st.session_state.pop(Key.ASKED_TO_STOP, []):
        ask_to_stop([queries.any_job(name) for name in asked])
    live_table()


def one_job(name: str) -> None:
    if st.button("All jobs", key="jobs_back", icon=":material/arrow_back:", type="tertiary"):
        del st.query_params["job"]
        st.rerun()
    try:
        job = queries.any_job(name)
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
    if isinstance(job, TuningJob):
        with theme.header(job.name, f"Tuning job, {job.request.strategy.value}, preset {job.request.preset}"):
            status_badge(job.status)
            tuning_actions(job)
        tuning_detail(job)
    else:
        with theme.header(job.name, f"Training job, preset {job.request.preset}"):
            status_badge(job.status)
            training_actions(job)
        job_detail(job)


with shown("Show the jobs"):
    asked = st.query_params.get("job", "")
    one_job(asked) if asked else all_jobs()
