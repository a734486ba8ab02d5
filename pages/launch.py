"""Launch: what to train, exactly, and the button."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import streamlit as st

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.components.relative_time import duration
from app.context import backend
from app.errors import shown
from app.identity import actor, click_key, refusal
from backend.domain.identity import Role
from backend.domain.jobs import JobStatus, TrainingJob
from backend.domain.training import HYPERPARAMETERS, PRESETS, Hyperparameter, Value, epochs_of, resolve

_COMMON = ("epochs", "lr", "batch_size", "augmentation", "dataset", "seed")
"""Shown at once; the others behind a fold."""


def clone_source() -> TrainingJob | None:
    """The job that `?clone=` names: the form begins with its configuration."""
    name = st.query_params.get("clone", "")
    return next((job for job in queries.jobs() if job.name == name), None) if name else None


def field(parameter: Hyperparameter, default: Value, scope: str) -> Value:
    """One input. Its key carries the preset: choosing another preset begins from that preset's values."""
    key, label = f"launch_{scope}_{parameter.name}", parameter.label
    explained = f"{parameter.help} {drawings()}" if parameter.name == "hard_examples" else parameter.help
    if parameter.kind == "choice":
        return st.selectbox(
            label, parameter.choices, index=parameter.choices.index(str(default)), key=key, help=explained
        )
    if parameter.kind == "text":
        return st.text_input(label, str(default), key=key, help=explained)
    if parameter.kind == "integer":
        low, high = int(parameter.low), int(parameter.high)
        return st.number_input(label, low, high, int(default), step=1, key=key, help=explained)
    return st.number_input(
        label,
        parameter.low,
        parameter.high,
        float(default),
        step=float(default) / 10 or 0.01,
        format="%g",
        key=key,
        help=explained,
    )


def drawings() -> str:
    """How many drawings were labelled so far."""
    count = len(queries.hard_examples())
    if not count:
        return "There are none yet: correct drawings on Draw first."
    return f"There {'is 1 drawing' if count == 1 else f'are {count} drawings'} now."


def fields(defaults: Mapping[str, Value], scope: str) -> dict[str, Value]:
    """All inputs, the common ones first; returns every hyperparameter by name."""
    chosen: dict[str, Value] = {}
    by_name = {parameter.name: parameter for parameter in HYPERPARAMETERS}

    def grid(names: Sequence[str]) -> None:
        # A row of columns at a time: on a phone, where columns are stacked, the order stays.
        for first in range(0, len(names), 3):
            for column, name in zip(st.columns(3), names[first : first + 3], strict=False):
                with column:
                    chosen[name] = field(by_name[name], defaults[name], scope)

    rest = [name for name in by_name if name not in _COMMON and len(by_name[name].choices) != 1]
    grid(_COMMON)
    with st.expander("More hyperparameters", icon=":material/tune:"):
        grid(rest)
    return {**defaults, **chosen}


def exact_configuration(values: Mapping[str, Value], preset: Mapping[str, Value]) -> None:
    """Every hyperparameter of the job to be, with what differs from the preset first and marked."""
    changed = [name for name in values if values[name] != preset[name]]
    ordered = [*changed, *(name for name in values if name not in changed)]
    rows = [
        {
            "Hyperparameter": name,
            "Value": f"{values[name]:g}" if isinstance(values[name], float) else str(values[name]),
            "Preset": "" if name not in changed else f"was {preset[name]}",
        }
        for name in ordered
    ]
    st.dataframe(rows, hide_index=True, height=300, key="launch_configuration")


def estimate(preset: str, values: Mapping[str, Value]) -> str:
    """How long jobs like this one took here, or that none has run yet."""
    took = sorted(
        (length.total_seconds() / epochs_of(job.request.hyperparameters))
        for job in queries.jobs()
        if job.status is JobStatus.COMPLETED
        and job.request.hyperparameters.get("model") == values["model"]
        and job.request.hyperparameters.get("limit") == values["limit"]
        and (length := job.duration(datetime.now(UTC)))
    )
    if not took:
        return "No job with this model has finished here yet: no estimate."
    seconds = took[len(took) // 2] * epochs_of(values)
    length = duration(datetime.fromtimestamp(seconds, UTC) - datetime.fromtimestamp(0, UTC))
    return f"About {length}, from {len(took)} finished {'job' if len(took) == 1 else 'jobs'} with this model."


def queue() -> str:
    """Whether the job would begin at once."""
    live = [job for job in queries.jobs() if not job.status.is_terminal]
    slots = backend().settings.max_parallel_jobs
    if len(live) < slots:
        return "Begins at once."
    return f"Waits in the queue: {len(live)} {'job is' if len(live) == 1 else 'jobs are'} before it."


def command(preset: str, values: Mapping[str, Value], base: Mapping[str, Value], name: str) -> str:
    words = ["python", "-m", "backend", "train", "--preset", preset]
    words += [word for key in values if values[key] != base[key] for word in ("--set", f"{key}={values[key]}")]
    return shlex.join(words + (["--name", name] if name else []))


theme.header("Launch", "Train a model on this machine; it goes on when you leave")
with shown("Show the launch form"):
    source = clone_source()
    form, summary = st.columns([3, 2], gap="medium")
    with form, theme.card("form", "Training job", stretch=True):
        names = list(PRESETS)
        preset = (
            st.segmented_control(
                "Preset",
                names,
                default=source.request.preset if source and source.request.preset in names else names[0],
                required=True,
                format_func=str.capitalize,
                key="launch_preset",
            )
            or names[0]
        )
        st.caption(PRESETS[preset].summary)
        base = resolve(preset, {})
        if source is not None and source.request.preset == preset:
            st.info(f"Filled in from job {source.name}.", icon=":material/content_copy:")
            values = fields({**base, **source.request.hyperparameters}, f"{preset}_{source.name}")
        else:
            values = fields(base, preset)
        name = st.text_input(
            "Name", key="launch_name", max_chars=63, placeholder="made from the preset and the time", help="Optional."
        ).strip()

    with summary, theme.card("summary", "Exact configuration", stretch=True):
        exact_configuration(values, base)
        st.markdown(f":gray[:material/timer:] {estimate(preset, values)}")
        st.markdown(f":gray[:material/stacks:] {queue()}")
        reason = refusal(Role.OPERATOR, "launch a training job")
        if reason:
            st.caption(f":material/lock: {reason}")
        if st.button(
            "Launch training",
            type="primary",
            icon=":material/rocket_launch:",
            key="launch_submit",
            width="stretch",
            disabled=bool(reason),
        ):
            with shown("Launch the training job"):
                job = backend().launching.train(
                    actor=actor(),
                    preset=preset,
                    overrides=values,
                    name=name,
                    key=click_key("train", preset, name, sorted(values.items())),
                )
                queries.jobs.clear()
                st.switch_page(navigation.JOBS.file, query_params={"job": job.name})
        command_line(command(preset, values, base, name))
