"""What a stage served at a moment, and its history to take along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from app import navigation, record_queries
from app.components.command_line import command_line
from app.components.relative_time import exact_utc
from app.views.stage_card import TITLES
from backend.cli.documents import deployment_document
from backend.domain.history import Era, era_at
from backend.domain.promotion import Deployment
from backend.domain.serving import Stage


def history_tools(stage: Stage, history: Sequence[Deployment]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="history_tools"):
        moment = st.datetime_input(
            f"What was in {stage.value} at (UTC)",
            value=None,
            step=60,
            key="history_at",
            bind="query-params",
            width=260,
            help="The history below is the record of every change; this reads it for one moment.",
        )
        st.download_button(
            "JSON",
            data=lambda: json.dumps([deployment_document(deployment) for deployment in history], indent=2),
            file_name=f"history-{stage.value}.json",
            mime="application/json",
            key="history_json",
            icon=":material/download:",
            on_click="ignore",
        )
    if moment is not None:
        _answer(stage, moment.replace(tzinfo=UTC))


def _answer(stage: Stage, moment: datetime) -> None:
    era = era_at(record_queries.eras(stage), moment)
    with st.container(horizontal=True, vertical_alignment="center", key="history_answer"):
        st.text(_sentence(stage, era, moment), width="content")
        if era is not None and era.deployment:
            st.page_link(
                navigation.EVIDENCE.file,
                label="Evidence",
                icon=navigation.EVIDENCE.icon,
                query_params={"deployment": era.deployment},
                width="content",
            )
    command_line(f"python -m backend deployments at {stage.value} {moment:%Y-%m-%dT%H:%M}")


def _sentence(stage: Stage, era: Era | None, moment: datetime) -> str:
    name, said = TITLES[stage], exact_utc(moment)
    if era is None:
        return f"{name} served nothing at {said}: nothing had been deployed."
    if era.model is None:
        return f"{name} served nothing at {said}: {era.by} had deleted it at {exact_utc(era.since)}."
    until = f" until {exact_utc(era.until)}" if era.until else ", and does so still"
    return f"{name} served v{era.model.version} at {said}: from {exact_utc(era.since)}{until}, by {era.by}."
