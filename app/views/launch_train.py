"""Launch, train mode: one training job, exactly, and the button."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import navigation, queries, theme
from app.commands import train_command
from app.components.command_line import command_line
from app.components.hyperparameter_fields import hyperparameter_fields
from app.context import backend
from app.errors import shown
from app.estimates import training_estimate
from app.identity import actor, click_key, refusal
from app.queries import Job
from app.views.launch_compute import compute_fields
from app.views.launch_parts import (
    configuration_table,
    field_choices,
    field_notes,
    filled_in_from,
    preset_control,
    queue,
    start_values,
    time_and_cost,
)
from backend.domain.identity import Role
from backend.domain.jobs import Compute
from backend.domain.training import Value, resolve


def train_form(source: Job | None) -> None:
    """The form beside its summary; `source` is the job that it begins as a copy of."""
    form, summary = st.columns([3, 2], gap="medium")
    with form, theme.card("form", "Training job", stretch=True):
        preset = preset_control(source)
        base = resolve(preset, {})
        filled_in_from(source, preset)
        start, scope = start_values(source, preset)
        values = hyperparameter_fields(start, scope, notes=field_notes(), offered=field_choices())
        name = st.text_input(
            "Name", key="launch_name", max_chars=63, placeholder="made from the preset and the time", help="Optional."
        ).strip()
        compute = compute_fields(source)
    with summary, theme.card("summary", "Exact configuration"):
        _summary(preset, values, base, name, compute)


def _summary(preset: str, values: dict[str, Value], base: Mapping[str, Value], name: str, compute: Compute) -> None:
    changed = [key for key in values if values[key] != base[key]]
    ordered = [*changed, *(key for key in values if key not in changed)]
    configuration_table([(key, values[key], f"was {base[key]}" if key in changed else "") for key in ordered])
    time_and_cost(training_estimate(queries.jobs(), values, compute.instance_type), compute)
    st.markdown(f":gray[:material/stacks:] {queue('Begins', 'Waits')}")
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
                key=click_key("train", preset, name, sorted(values.items()), compute),
                compute=compute,
            )
            queries.forget_jobs()
            st.switch_page(navigation.JOBS.file, query_params={"job": job.name})
    command_line(train_command(preset, values, name, compute))
