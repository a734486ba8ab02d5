"""The summary of a tuning job to be: exactly what runs, how long it takes, what stands in its way, and the button."""

from __future__ import annotations

import streamlit as st

from app import navigation, queries
from app.commands import tune_command
from app.components.command_line import command_line
from app.context import backend
from app.errors import shown
from app.estimates import trials_of, tuning_estimate
from app.identity import actor, click_key, refusal
from app.tuning_figures import range_words
from app.views.launch_parts import configuration_table, queue, slots_for, time_and_cost
from backend.domain.identity import Role
from backend.domain.search_space import combinations
from backend.domain.training import resolve
from backend.domain.tuning import TuningRequest
from backend.services.searching import TuningPlan


def tune_summary(plan: TuningPlan, request: TuningRequest | None, problem: str) -> None:
    """`request` is None as long as there is a `problem`, which is then the button's reason."""
    if request is None:
        st.caption("Shown when the form can be read.")
    else:
        _exact(request)
        st.markdown(f":gray[:material/grid_view:] {_size(request)}")
        at_once = slots_for(request.max_parallel)
        time_and_cost(tuning_estimate(queries.jobs(), request, at_once), request.compute, at_once)
        st.markdown(f":gray[:material/stacks:] {queue('The first trial begins', 'The first trial waits')}")
        if at_once < request.max_parallel:
            st.markdown(
                f":orange[:material/warning:] This machine runs {at_once} {'job' if at_once == 1 else 'jobs'} at once "
                f"(DIGITS_MAX_PARALLEL_JOBS): of {request.max_parallel} parallel trials the others wait."
            )
    reason = refusal(Role.OPERATOR, "launch a tuning job")
    if reason:
        st.caption(f":material/lock: {reason}")
    elif problem:
        with st.container(horizontal=True, wrap=False, gap="small", key="tune_problem"):
            st.markdown(":red[:material/error:]", width="content")
            st.text(problem, width="stretch")
    if st.button(
        "Launch tuning",
        type="primary",
        icon=":material/rocket_launch:",
        key="launch_submit",
        width="stretch",
        disabled=bool(reason or problem),
        help=problem or None,
    ):
        with shown("Launch the tuning job"):
            job = backend().searching.tune(plan, actor=actor(), key=click_key("tune", plan))
            queries.forget_jobs()
            st.switch_page(navigation.JOBS.file, query_params={"job": job.name})
    command_line(tune_command(plan))


def _exact(request: TuningRequest) -> None:
    base, shared = resolve(request.preset, {}), request.hyperparameters
    changed = [name for name in shared if shared[name] != base[name]]
    searched = [(parameter.name, range_words(parameter), "searched") for parameter in request.space]
    rest = [(name, shared[name], "") for name in shared if name not in changed]
    configuration_table([*searched, *((name, shared[name], f"was {base[name]}") for name in changed), *rest])


def _size(request: TuningRequest) -> str:
    size, trials = combinations(request.space), trials_of(request)
    if size is None:
        return f"No end of combinations; {trials} {'is' if trials == 1 else 'are'} tried."
    of = "combination" if size == 1 else "combinations"
    if size <= request.max_jobs:
        return f"{size:,} {of}: all of them are tried, and no more."
    return f"{size:,} {of}, of which {trials} {'is' if trials == 1 else 'are'} tried."
