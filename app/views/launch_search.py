"""How a tuning job searches: strategy, objective, how many trials, and what it learns from first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import streamlit as st

from app import queries
from app.tuning_figures import text_of
from backend.domain.tuning import MOST_JOBS, MOST_PARALLEL, OBJECTIVES, Direction, Strategy, TuningRequest
from backend.services.searching import TuningPlan

_STRATEGIES: Final[Mapping[Strategy, str]] = {
    Strategy.BAYESIAN: "Learns from each finished trial where to look next. The usual choice.",
    Strategy.RANDOM: "Takes values by chance; no trial depends on another, so many can run at once.",
    Strategy.GRID: "Tries every combination once, in order; for lists and whole numbers.",
    Strategy.HYPERBAND: "Gives many trials few epochs and more to the good ones; for trials of three epochs and more.",
}
_OBJECTIVES: Final[Mapping[str, str]] = {
    "val_accuracy": "Validation accuracy",
    "val_loss": "Validation loss",
    "train_accuracy": "Training accuracy",
    "train_loss": "Training loss",
}
_DEFAULTS: Final = TuningPlan(preset="")


def search_settings(origin: TuningRequest | None) -> TuningPlan:
    """A plan with these settings only; they begin as `origin`'s."""
    strategies = list(Strategy)
    strategy = st.radio(
        "Strategy",
        strategies,
        index=strategies.index(origin.strategy if origin else _DEFAULTS.strategy),
        format_func=lambda one: one.value,
        captions=[_STRATEGIES[one] for one in strategies],
        key="tune_strategy",
        persist_state="page",
    )
    left, right = st.columns(2)
    with left:
        objectives = list(OBJECTIVES)
        objective = st.selectbox(
            "Objective",
            objectives,
            index=objectives.index(origin.objective if origin else _DEFAULTS.objective),
            format_func=_OBJECTIVES.__getitem__,
            key="tune_objective",
            help="Of the validation part, or of the training itself. The test set is for the end only.",
            persist_state="page",
        )
    with right:
        own = origin.direction if origin and origin.objective == objective else OBJECTIVES[objective]
        direction = st.segmented_control(
            "Direction",
            list(Direction),
            default=own,
            required=True,
            format_func=lambda one: one.value,
            key=f"tune_direction_{objective}",
            persist_state="page",
        )
    columns = st.columns(3)
    with columns[0]:
        most = origin.max_jobs if origin else _DEFAULTS.max_jobs
        max_jobs = st.number_input("Trials at most", 1, MOST_JOBS, most, key="tune_max_jobs", persist_state="page")
    with columns[1]:
        most = origin.max_parallel if origin else _DEFAULTS.max_parallel
        max_parallel = st.number_input(
            "Trials at once", 1, MOST_PARALLEL, most, key="tune_max_parallel", persist_state="page"
        )
    with columns[2]:
        seed = st.number_input(
            "Seed of the search",
            0,
            2**31 - 1,
            origin.seed if origin else 0,
            key="tune_seed",
            help="The same seed asks for the same values, as long as one trial runs at a time.",
            persist_state="page",
        )
    early_stopping = _early_stopping(strategy, origin)
    return TuningPlan(
        preset="",
        strategy=strategy,
        objective=objective,
        direction=direction,
        max_jobs=int(max_jobs),
        max_parallel=int(max_parallel),
        early_stopping=early_stopping,
        seed=int(seed),
        warm_start_from=_warm_start(origin),
    )


def _early_stopping(strategy: Strategy, origin: TuningRequest | None) -> bool:
    if strategy is Strategy.HYPERBAND:
        why = "Hyperband ends trials by itself."
        st.toggle("Early stopping", value=False, key="tune_hyperband_stops", disabled=True, help=why)
        st.caption(why)
        return False
    return st.toggle(
        "Early stopping",
        value=origin.early_stopping if origin else False,
        key="tune_early_stopping",
        help="Ends a trial that does worse than the median of the others did after as many epochs.",
        persist_state="page",
    )


def _warm_start(origin: TuningRequest | None) -> str:
    parents = [job for job in queries.tuning_jobs() if job.status.is_terminal and job.best_trial]
    names = ["", *(job.name for job in parents)]
    told = {"": "None: begin from nothing"}
    for job in parents:
        if job.best_trial is not None and job.best_trial.value is not None:
            best = f"best {job.request.objective} {text_of(job.best_trial.value)}"
            told[job.name] = f"{job.name} ({len(job.trials)} trials, {best})"
    wanted = origin.warm_start_from if origin else ""
    return st.selectbox(
        "Warm start",
        names,
        index=names.index(wanted) if wanted in names else 0,
        format_func=told.__getitem__,
        key="tune_warm_start",
        help="Learn from an earlier tuning job's completed trials first, those that lie in this search space.",
        disabled=len(names) == 1,
        persist_state="page",
    )
