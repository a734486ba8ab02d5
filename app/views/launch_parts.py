"""What both modes of Launch have in common: where the form begins, the preset, and how the summary reads."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import queries
from app.components.notice import notice
from app.context import backend
from app.estimates import Estimate, cost_estimate
from app.queries import Job
from backend.domain.capabilities import Feature
from backend.domain.example_sets import NOW
from backend.domain.jobs import Compute
from backend.domain.training import PRESETS, Value, hyperparameter, resolve
from backend.domain.tuning import TuningJob
from backend.services.labelled_drawings import SET


def clone_source() -> Job | None:
    """The job that `?clone=` names: the form begins with its configuration. One that is not here is told."""
    name = st.query_params.get("clone", "")
    if not name:
        return None
    found = next((job for job in [*queries.tuning_jobs(), *queries.jobs()] if job.name == name), None)
    if found is None:
        text = f"The address names job '{name[:80]}', which is not here: the form begins with the preset's own values."
        notice(text, key="clone_missing", kind="warning")
    return found


def preset_control(source: Job | None) -> str:
    names = list(PRESETS)
    preset = (
        st.segmented_control(
            "Preset",
            names,
            default=source.request.preset if source and source.request.preset in names else names[0],
            required=True,
            format_func=str.capitalize,
            key="launch_preset",
            bind="query-params",
            persist_state="page",
        )
        or names[0]
    )
    st.caption(PRESETS[preset].summary)
    return preset


def filled_in_from(source: Job | None, preset: str) -> None:
    if source is not None and source.request.preset == preset:
        st.info(f"Filled in from job {source.name}.", icon=":material/content_copy:")


def start_values(source: Job | None, preset: str) -> tuple[dict[str, Value], str]:
    """The values that the inputs begin with, and the scope of their keys.

    Of a tuning job: what its trials share, with what its best trial was given.
    """
    base = resolve(preset, {})
    if source is None or source.request.preset != preset:
        return base, preset
    best = source.best_trial if isinstance(source, TuningJob) else None
    given = {**source.request.hyperparameters, **(best.hyperparameters if best else {})}
    # A job names its drawings by their SHA-256; a person knows the set by its name.
    known = {kept.sha256: kept.name for kept in queries.example_sets()}
    if (digest := str(given.get(SET, ""))) in known:
        given[SET] = known[digest]
    return {**base, **given}, f"{preset}_{source.name}"


def field_notes() -> dict[str, str]:
    """What this installation adds to the words of a hyperparameter."""
    count = len(queries.hard_examples())
    if not count:
        return {"hard_examples": "There are none yet: correct drawings on Draw first."}
    return {"hard_examples": f"There {'is 1 drawing' if count == 1 else f'are {count} drawings'} now."}


def field_choices() -> dict[str, dict[str, str]]:
    """The sets of labelled drawings that a job may be given."""
    sets = {kept.name: f"{kept.name} · {kept.n} · {kept.sha256[:8]}" for kept in queries.example_sets()}
    return {SET: {NOW: f"as they are now · {len(queries.hard_examples())}", **sets}}


def configuration_table(rows: Sequence[tuple[str, Value, str]]) -> None:
    """Every hyperparameter of what is launched: its name, its value or what is searched, and a note."""
    st.dataframe(
        [
            {
                "Hyperparameter": hyperparameter(name).label,
                "Value": f"{value:g}" if isinstance(value, float) else str(value),
                "Preset": note,
            }
            for name, value, note in rows
        ],
        hide_index=True,
        height=300,
        key="launch_configuration",
        alt="Exact configuration",
    )


def slots_for(parallel: int) -> int:
    """How many of `parallel` trials run at once: as many as there are slots, where jobs wait for one."""
    if Feature.QUEUE in backend().tuning.unsupported:
        return parallel
    return min(parallel, backend().settings.max_parallel_jobs)


def time_and_cost(estimate: Estimate, compute: Compute, instances: int = 1) -> None:
    """How long it takes, what it costs, and what of the account's limits is in its way."""
    outlook = backend().training.outlook(compute, instances)
    st.markdown(f":gray[:material/timer:] {estimate.words}")
    st.markdown(f":gray[:material/payments:] {cost_estimate(estimate, outlook, spot=compute.spot)}".replace("$", "\\$"))
    if outlook.shortage:
        notice(outlook.shortage, key="shortage", kind="warning")


def queue(begins: str, waits: str) -> str:
    """Whether the work would begin at once."""
    reason = backend().training.unsupported.get(Feature.QUEUE)
    if reason is not None:
        return reason
    live = [job for job in queries.jobs() if not job.status.is_terminal]
    if len(live) < backend().settings.max_parallel_jobs:
        return f"{begins} at once."
    return f"{waits} in the queue: {len(live)} {'job is' if len(live) == 1 else 'jobs are'} before it."
