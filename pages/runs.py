"""Runs: what W&B recorded of every training, compared, or the one that `?run=` names; live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from app import navigation, run_queries, theme
from app.components.empty_state import empty_state_link
from app.components.plain_text import escaped
from app.components.status_badge import status_badge
from app.errors import shown
from app.state import Key
from app.views.run_charts import charts_of
from app.views.run_detail import run_detail
from app.views.run_list import run_list
from app.views.run_panels import configuration_of, console_of, media_of, system_of
from app.views.run_sync import sync_button, sync_progress
from app.views.run_watch import watch
from backend.domain.tracking import Run
from backend.errors import NotFoundError

_VIEWS: Final[dict[str, Callable[[Sequence[Run]], None]]] = {
    "Charts": charts_of,
    "Configuration": configuration_of,
    "System": system_of,
    "Media": media_of,
    "Console": console_of,
}


def all_runs() -> None:
    st.session_state[Key.RUNS_TOKEN] = run_queries.token()
    with theme.header("Runs", "What W&B recorded, from this machine's files and from its servers, compared"):
        watch()
        sync_button(run_queries.listed())
    sync_progress()
    compared()


@st.fragment
def compared() -> None:
    """The table and what is drawn of it. A fragment: choosing and zooming leave the rest of the page alone."""
    with shown("List the runs"):
        st.session_state[Key.RUNS_TOKEN] = run_queries.token()
        runs = run_queries.listed()
        if not runs:
            _nothing_yet()
            return
        found = run_list(runs)
        if found.fitting or found.chosen:
            with theme.card("compared"):
                _views(found.chosen)


def _views(chosen: Sequence[Run]) -> None:
    view = st.segmented_control(
        "View",
        list(_VIEWS),
        default="Charts",
        required=True,
        key="runs_view",
        bind="query-params",
        label_visibility="collapsed",
        persist_state="page",
    )
    if not chosen:
        st.caption("No run is chosen: tick rows in the table above.")
        return
    with shown(f"Show the {str(view).lower()}"):
        _VIEWS[str(view)](chosen)


def one_run(key: str) -> None:
    if st.button("All runs", key="runs_back", icon=":material/arrow_back:", type="tertiary"):
        del st.query_params["run"]
        st.rerun()
    st.session_state[Key.RUNS_TOKEN] = run_queries.token()
    try:
        run = run_queries.run(key)
    except NotFoundError:
        empty_state_link(
            key="run_missing",
            icon=":material/search_off:",
            title="No such run",
            sentence="The address names a run that none of the sources has.",
            page=navigation.JOBS.file,
            label="Look at the jobs",
        )
        return
    with theme.header(escaped(run.name), escaped(f"Run of {run.project}" + (f", {run.group}" if run.group else ""))):
        status_badge(run.state)
        status_badge("Synced" if run.synced else "NotSynced")
        watch()
        if not run.synced:
            sync_button([run])
    sync_progress()
    run_detail(run)


def _nothing_yet() -> None:
    empty_state_link(
        key="runs_empty",
        icon=":material/show_chart:",
        title="No runs yet",
        sentence="Every training records one, with no account and no network. Launch one and watch it here.",
        page=navigation.LAUNCH.file,
        label="Launch a training",
        link_icon=":material/arrow_forward:",
    )


with shown("Show the runs"):
    asked = st.query_params.get("run", "")
    one_run(asked) if asked else all_runs()
