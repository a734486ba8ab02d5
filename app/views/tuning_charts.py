"""The charts of a tuning job: curves and history while it runs, parallel coordinates, importance for who asks."""

from __future__ import annotations

import streamlit as st

from app import queries, theme
from app.components.empty_state import empty_state
from app.components.importance_bars import importance_bars
from app.components.parallel_coordinates import parallel_coordinates
from app.components.trial_charts import trial_curves, trial_history
from app.errors import shown
from app.estimates import trials_of
from app.state import Key
from app.tuning_figures import around, axes, finished, history, near_the_best
from backend.domain.jobs import JobStatus
from backend.domain.training import hyperparameter
from backend.domain.tuning import Direction, TuningJob
from backend.errors import NotFoundError

ENOUGH_FOR_IMPORTANCE = 4


def live_charts(job: TuningJob) -> None:
    near = near_the_best(job)
    left, right = st.columns(2, gap="medium")
    with left, theme.card("curves", stretch=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader("Objective by epoch", anchor=False, width="content")
            # What was ended early lies far off, and would press the trials that matter into one line.
            zoomed = near is not None and st.toggle(
                "Near the best",
                key="tuning_near",
                bind="query-params",
                help="Both charts show the range of the better half of the completed trials.",
            )
        y_range = near if zoomed else None
        _curves(job, y_range)
    with right, theme.card("history", "Optimisation history", stretch=True):
        _history(job, y_range)


def _curves(job: TuningJob, y_range: tuple[float, float] | None) -> None:
    curves = {
        f"trial {trial.number}": points
        for trial in job.trials
        if (points := queries.curve(trial.job, job.request.objective, ended=trial.status.is_terminal))
    }
    if not curves:
        ended = job.status.is_terminal
        st.caption("No report." if ended else "No report yet: the first comes at the end of a trial's first epoch.")
        return
    trial_curves(
        curves,
        best=f"trial {job.best_trial.number}" if job.best_trial else "",
        running=[f"trial {trial.number}" for trial in job.trials if not trial.status.is_terminal],
        key="tuning_curves",
        metric=job.request.objective,
        epochs=max(trial.planned_epochs for trial in job.trials),
        y_range=y_range,
    )


def _history(job: TuningJob, y_range: tuple[float, float] | None) -> None:
    parent_name = job.request.warm_start_from
    try:
        parent = queries.tuning_job(parent_name) if parent_name else None
    except NotFoundError:
        parent = None
    found = history(job, parent)
    if not found.completed and not found.stopped_early and not found.before:
        st.caption("No trial has ended with a value." if job.status.is_terminal else "No trial has ended yet.")
        return
    values = {value for _, value in (*found.completed, *found.stopped_early, *found.before)}
    trial_history(
        found,
        parent=parent_name,
        trials=max(trials_of(job.request), len(job.trials)),
        key="tuning_history",
        metric=job.request.objective,
        y_range=around(*values) if len(values) == 1 else y_range,
    )


def parallel(job: TuningJob) -> None:
    """What the finished trials say about the space."""
    count = len(finished(job))
    if count < 2:
        st.caption(f"Two finished trials make a picture; there {'is one' if count == 1 else 'are none'} yet.")
        return
    labels = ", ".join(hyperparameter(parameter.name).label.lower() for parameter in job.request.space)
    best = job.best_trial
    found = f" The best has {_values(job)}." if best else ""
    parallel_coordinates(
        axes(job),
        smaller_is_better=job.request.direction is Direction.MINIMIZE,
        key="tuning_parallel",
        alt=f"Parallel coordinates of {count} finished trials over {labels} and {job.request.objective}.{found}",
    )
    st.caption(
        "Each line is a finished trial, the stronger the better. Drag along an axis to keep only what crosses it."
    )


def importance(job: TuningJob) -> None:
    """Computed when someone asks, and again when they ask again: it takes a second, and most never look."""
    completed = sum(trial.status is JobStatus.COMPLETED for trial in job.trials)
    asked: dict[str, int] = st.session_state.setdefault(Key.IMPORTANCE, {})
    if completed < ENOUGH_FOR_IMPORTANCE:
        st.caption(
            f"Which hyperparameter decides: it takes {ENOUGH_FOR_IMPORTANCE} completed trials to say; "
            f"{'there is' if completed == 1 else 'there are'} {completed or 'none'}."
        )
        return
    if job.name in asked:
        _bars(job, asked[job.name])
        if asked[job.name] == completed:
            return
        wanted = st.button("Compute again", key="tuning_importance", icon=":material/insights:")
    else:
        wanted = empty_state(
            key="tuning_importance",
            icon=":material/insights:",
            title="What decides?",
            sentence="Which hyperparameter makes the difference, and which could as well be left alone.",
            action="Compute importance",
        )
    if wanted:
        asked[job.name] = completed
        st.rerun(scope="fragment" if not job.status.is_terminal else "app")


def _bars(job: TuningJob, completed: int) -> None:
    with shown("Compute the importance"):
        with st.spinner("Computing ..."):
            shares = queries.importance(job.name, completed)
        if not shares:
            st.caption("All completed trials have the same value, or differ in nothing: nothing explains anything.")
            return
        importance_bars({hyperparameter(name).label: share for name, share in shares.items()}, key="tuning_bars")
        st.caption(f"Share of what decides whether a trial is good (PED-ANOVA), from {completed} completed trials.")


def _values(job: TuningJob) -> str:
    best = job.best_trial
    return ", ".join(f"{name} {value}" for name, value in best.hyperparameters.items()) if best else ""
