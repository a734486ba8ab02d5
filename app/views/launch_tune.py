"""Launch, tune mode: what to search, how, and what every trial has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import queries, theme
from app.components.hyperparameter_fields import hyperparameter_fields
from app.context import backend
from app.identity import actor
from app.queries import Job
from app.state import Key
from app.tuning_figures import range_words
from app.views.launch_compute import compute_fields
from app.views.launch_parts import field_choices, field_notes, filled_in_from, preset_control, start_values
from app.views.launch_search import search_settings
from app.views.launch_tune_summary import tune_summary
from app.views.search_space import search_space
from backend.domain.search_space import DEFAULT_SPACE, ParameterRange, automatic_space, parse_space
from backend.domain.training import Value, hyperparameter
from backend.domain.tuning import (
    LONGEST_NAME,
    TuningJob,
    TuningRequest,
)
from backend.errors import DigitsError
from backend.services.searching import TuningPlan


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
            of_space = st.empty()  # what is wrong with it, or what was chosen automatically
        with theme.card("search", "Search"):
            plan = search_settings(origin)
            compute = compute_fields(source)
        with theme.card("shared", "What every trial has in common"):
            values = _shared(values, scope, space, autotune)
            of_values = st.empty()
        if autotune:
            _automatic(of_space, values)
        plan = replace(
            plan, preset=preset, overrides=values, space=space, autotune=autotune, name=name, compute=compute
        )
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
        return hyperparameter_fields(start, scope, searched=searched, notes=field_notes(), offered=field_choices())
    # The middle of an automatic range is asked for; label smoothing's begins at nothing whatever the preset has.
    ranges = automatic_space(start)
    return hyperparameter_fields(
        start,
        scope,
        searched={p.name: range_words(p) for p in ranges if p.name == "label_smoothing"},
        notes=field_notes(),
        offered=field_choices(),
    )


def _automatic(place: DeltaGenerator, values: Mapping[str, Value]) -> None:
    place.dataframe(
        [
            {"Hyperparameter": hyperparameter(parameter.name).label, "Values": range_words(parameter)}
            for parameter in automatic_space(values)
        ],
        hide_index=True,
        key="tune_automatic",
        alt="The search space that Autotune chose",
    )
