"""Launch, tune mode: what to search, how, and what every trial has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import streamlit as st

from app import queries, theme
from app.components.hyperparameter_fields import hyperparameter_fields
from app.context import backend
from app.identity import actor
from app.queries import Job
from app.state import Key
from app.tuning_figures import range_words, text_of
from app.views.launch_parts import field_notes, filled_in_from, preset_control, start_values
from app.views.launch_tune_summary import tune_summary
from app.views.search_space import search_space
from backend.domain.search_space import DEFAULT_SPACE, ParameterRange, automatic_space, parse_space
from backend.domain.training import Value
from backend.domain.tuning import (
    LONGEST_NAME,
    MOST_JOBS,
    MOST_PARALLEL,
    OBJECTIVES,
    Direction,
    Strategy,
    TuningJob,
    TuningRequest,
)
from backend.errors import DigitsError
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


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A plan, the request that it makes, and the first thing that is wrong with it, told where it was typed."""

    plan: TuningPlan
    request: TuningRequest | None = None
    values: str = ""
    space: str = ""
    name: str = ""

    @property
    def problem(self) -> str:
        return self.values or self.space or self.name


def tune_form(source: Job | None) -> None:
    """The form beside its summary; `source` is the job that it begins as a copy of."""
    origin = source.request if isinstance(source, TuningJob) else None
    form, summary = st.columns([3, 2], gap="medium")
    with form:
        with theme.card("form", "Tuning job"):
            preset = preset_control(source)
            filled_in_from(source, preset)
            name = st.text_input(
                "Name",
                key="tune_name",
                max_chars=LONGEST_NAME,
                placeholder="made from the time",
                help=f"Optional; at most {LONGEST_NAME} characters: its trials are called after it.",
                persist_state="page",
            ).strip()
            of_name = st.empty()
        values, scope = start_values(source, preset)
        with theme.card("space", "Search space"):
            autotune, space, problems = _space(origin, values)
            of_space = st.empty()
        with theme.card("search", "Search"):
            plan = _search(origin)
        with theme.card("shared", "What every trial has in common"):
            values = _shared(values, scope, space, autotune)
            of_values = st.empty()
        plan = replace(plan, preset=preset, overrides=values, space=space, autotune=autotune, name=name)
        checked = check(plan, problems)
        for place, problem in (
            (of_name, checked.name),
            (of_space, "" if checked.space in problems else checked.space),
            (of_values, checked.values),
        ):
            if problem:
                with place.container(key=f"space_problem_of_{len(problem)}"):
                    st.text(problem)
    with summary, theme.card("summary", "Exact configuration"):
        tune_summary(checked.plan, checked.request, checked.problem)


def check(plan: TuningPlan, unreadable: list[str]) -> Checked:
    """Make the request in three steps, so that what is wrong is told beside what it is about."""
    searching, who = backend().searching, actor()

    def trouble(attempt: TuningPlan) -> str:
        try:
            searching.request(attempt, actor=who)
        except DigitsError as error:
            return f"{error.message} {error.hint}".strip()
        return ""

    if problem := trouble(TuningPlan(preset=plan.preset, overrides=plan.overrides, space=_usual_space())):
        return Checked(plan=plan, values=problem)
    if unreadable:
        return Checked(plan=plan, space=unreadable[0])
    if problem := trouble(replace(plan, name="")):
        return Checked(plan=plan, space=problem)
    if problem := trouble(plan):
        return Checked(plan=plan, name=problem)
    if plan.name and any(job.name == plan.name for job in [*queries.tuning_jobs(), *queries.jobs()]):
        return Checked(plan=plan, name=f"Job name '{plan.name}' is taken. Choose another name.")
    return Checked(plan=plan, request=searching.request(plan, actor=who))


def _usual_space() -> tuple[ParameterRange, ...]:
    return tuple(parse_space(text) for text in DEFAULT_SPACE)


def _space(
    origin: TuningRequest | None, values: Mapping[str, Value]
) -> tuple[bool, tuple[ParameterRange, ...], list[str]]:
    """Whether it is chosen automatically, the ranges that were typed, and what is wrong with the others."""
    autotune = st.toggle(
        "Autotune",
        key="tune_autotune",
        help="Search around the preset's own learning rate, batch size and label smoothing.",
        persist_state="page",
    )
    if not autotune:
        initial = origin.space if origin else _usual_space()
        found, problems = search_space(initial, values, visit=st.session_state.get(Key.VISIT))
        return False, tuple(found), problems
    st.caption("Chosen around the values below: change them there, and the ranges follow.")
    return True, (), []


def _shared(start: dict[str, Value], scope: str, space: tuple[ParameterRange, ...], autotune: bool) -> dict[str, Value]:
    if not autotune:
        searched = {parameter.name: range_words(parameter) for parameter in space}
        return hyperparameter_fields(start, scope, searched=searched, notes=field_notes())
    # The middle of an automatic range is asked for; label smoothing's begins at nothing whatever the preset has.
    ranges = automatic_space(start)
    values = hyperparameter_fields(
        start,
        scope,
        searched={p.name: range_words(p) for p in ranges if p.name == "label_smoothing"},
        notes=field_notes(),
    )
    st.caption("Searched around: " + "; ".join(f"{p.name} {range_words(p)}" for p in automatic_space(values)))
    return values


def _search(origin: TuningRequest | None) -> TuningPlan:
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
