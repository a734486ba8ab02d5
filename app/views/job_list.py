"""All jobs, live: filters that the address keeps, the table, and what may be done with several at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.components.empty_state import empty_state, empty_state_link
from app.components.freshness import freshness_line
from app.components.job_table import OBJECTIVE, TRAINING, TRIAL, TUNING, Picked, best_value, job_table, kind_of
from app.components.status_badge import look_of
from app.context import backend
from app.errors import shown
from app.identity import refusal
from app.job_costs import costs
from app.queries import Job
from app.state import Key
from app.tuning_figures import best_so_far
from backend.domain.identity import Role
from backend.domain.jobs import JobStatus
from backend.domain.tuning import Direction, TuningJob

REFRESH: Final = "2s"
PAGE_ROWS: Final = 100
"""The table travels again at each change: more rows than this are on the next page."""
_FILTERS: Final[Mapping[str, Any]] = {"jobs_search": "", "jobs_status": [], "jobs_kind": []}


def _newest(job: Job) -> Any:
    return -job.created_at.timestamp()


def _best(job: Job) -> Any:
    """Jobs of one metric together, the better first; those without a value last."""
    value = best_value(job)
    metric = job.request.objective if isinstance(job, TuningJob) else OBJECTIVE
    smaller = isinstance(job, TuningJob) and job.request.direction is Direction.MINIMIZE
    return (value is None, metric, (value if smaller else -value) if value is not None else 0.0, _newest(job))


def _longest(job: Job) -> Any:
    return (-(job.duration(datetime.now(UTC)) or timedelta()).total_seconds(), _newest(job))


_ORDERS: Final[Mapping[str, Callable[[Job], Any]]] = {
    "Newest": _newest,
    "Best value": _best,
    "Longest": _longest,
    "Name": lambda job: job.name,
}


def matching(jobs: Sequence[Job], text: str, statuses: Sequence[str], kinds: Sequence[str]) -> list[Job]:
    """Those with the text in name, person or reason, and one of the statuses and kinds; none means any."""
    wanted = text.strip().lower()
    return [
        job
        for job in jobs
        if (not statuses or job.status.value in statuses)
        and (not kinds or kind_of(job) in kinds)
        and wanted in f"{job.name} {job.request.requested_by} {job.failure_reason}".lower()
    ]


def curve(job: Job) -> list[float]:
    """What the sparkline shows."""
    if isinstance(job, TuningJob):
        return [value for _, value in best_so_far(job)]
    return [value for _, value in queries.curve(job.name, OBJECTIVE, ended=job.status.is_terminal)]


def _commands(picked: Picked) -> str:
    stops = [f"python -m backend jobs stop {name}" for name in picked.ticked]
    return "\n".join(stops or ["python -m backend jobs list"])


@st.fragment(run_every=REFRESH)
def live_table() -> None:
    with shown("List the jobs"):
        trials = st.query_params.get("trials") == "1"
        jobs = [*queries.jobs(), *queries.tuning_jobs()] if trials else queries.work()
        freshness_line(backend().training.freshness())
        if not jobs and not queries.jobs():
            _nothing_yet()
            return
        found = _filtered(jobs, trials)
        if not found:
            _no_match(len(jobs))
            return
        with theme.card("jobs"):
            tools = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
            left = tools.container(horizontal=True, vertical_alignment="center", width="content", key="jobs_tools")
            right = tools.container(horizontal=True, vertical_alignment="center", width="content", key="jobs_order")
            found.sort(key=_order(right, trials))
            page = _page(len(found), right)
            rows = found[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
            curves = {job.name: curve(job) for job in rows}
            picked = job_table(
                rows, curves, costs(rows), key="jobs_table", shown_key=Key.SHOWN_JOBS, now=datetime.now(UTC)
            )
            with left:
                _tools(picked, {job.name: job for job in rows}, len(found), len(jobs))
            command_line(_commands(picked))
        if picked.opened:
            _open(picked.opened)


def _filtered(jobs: Sequence[Job], trials: bool) -> list[Job]:
    with st.container(horizontal=True, vertical_alignment="bottom", key="jobs_filters"):
        text = st.text_input(
            "Search",
            key="jobs_search",
            bind="query-params",
            placeholder="name, person or reason",
            width=230,
            persist_state="page",
        )
        kinds = st.pills(
            "Kind",
            [TRAINING, TUNING, TRIAL] if trials else [TRAINING, TUNING],
            selection_mode="multi",
            key="jobs_kind",
            bind="query-params",
            persist_state="page",
        )
        statuses = st.pills(
            "Status",
            [status.value for status in JobStatus],
            selection_mode="multi",
            format_func=lambda word: look_of(word).word,
            key="jobs_status",
            bind="query-params",
            persist_state="page",
        )
    return matching(jobs, text or "", statuses or [], kinds or [])


def _order(place: DeltaGenerator, trials: bool) -> Callable[[Job], Any]:
    with place:
        st.toggle(
            "Trials",
            value=trials,
            key="jobs_trials",
            on_change=_keep_trials,
            help="Show the trials of tuning jobs as jobs of their own.",
        )
        order = st.selectbox(
            "Sort",
            list(_ORDERS),
            format_func=lambda name: f"Sort: {name.lower()}",
            key="jobs_sort",
            bind="query-params",
            label_visibility="collapsed",
            width=165,
            persist_state="page",
        )
    return _ORDERS[order]


def _keep_trials() -> None:
    if st.session_state["jobs_trials"]:
        st.query_params["trials"] = "1"
    else:
        st.query_params.pop("trials", None)


def _page(found: int, place: DeltaGenerator) -> int:
    pages = ceil(found / PAGE_ROWS)
    if pages == 1:
        return 1
    # A page that the filter took away is not an error.
    if st.session_state.get("jobs_page", 1) > pages:
        st.session_state["jobs_page"] = 1
    with place:
        return int(st.pagination(pages, key="jobs_page", bind="query-params"))


def _tools(picked: Picked, by_name: Mapping[str, Job], found: int, of: int) -> None:
    """How many there are; with ticked rows, what can be done with them."""
    chosen = [by_name[name] for name in picked.ticked]
    if not chosen:
        counted = f"{found:,} {'job' if found == 1 else 'jobs'}" if found == of else f"{found:,} of {of:,} jobs"
        st.caption(f"{counted}. Click a row to open it; tick boxes to stop several.", width="content")
        return
    live = [job for job in chosen if job.status.can_stop]
    reason = refusal(Role.OPERATOR, "stop jobs") or ("" if live else "What is selected has ended, or is ending.")
    with st.container(horizontal=True, vertical_alignment="center", width="content", key="jobs_bulk"):
        st.caption(f"{len(chosen)} selected", width="content")
        if len(chosen) == 1 and st.button("Open", key="jobs_open", icon=":material/open_in_new:"):
            _open(chosen[0].name)
        if st.button(
            f"Stop {len(live)} {'job' if len(live) == 1 else 'jobs'}" if live else "Stop",
            key="jobs_stop",
            icon=":material/stop_circle:",
            disabled=bool(reason),
            help=reason or None,
        ):
            # The question is put by the whole page: a dialog opened in here would close at the next look.
            st.session_state[Key.ASKED_TO_STOP] = [job.name for job in live]
            st.rerun(scope="app")


def _open(name: str) -> None:
    st.query_params["job"] = name
    st.rerun(scope="app")


def _nothing_yet() -> None:
    empty_state_link(
        key="jobs_empty",
        icon=":material/rocket_launch:",
        title="No jobs yet",
        sentence="Launch a training: the fast preset takes about a minute on two cores.",
        page=navigation.LAUNCH.file,
        label="Launch a training",
        link_icon=":material/arrow_forward:",
    )


def _no_match(of: int) -> None:
    empty_state(
        key="jobs_no_match",
        icon=":material/filter_alt_off:",
        title="No job matches",
        sentence=f"{of} {'job is' if of == 1 else 'jobs are'} there, none fits the filter.",
    )
    with st.container(horizontal_alignment="center"):
        st.button("Clear the filter", key="jobs_clear_filter", type="primary", on_click=_clear_filter)


def _clear_filter() -> None:
    for key, nothing in _FILTERS.items():
        st.session_state[key] = nothing
