"""A stage's history: every change of what it serves, what it served at a moment, and all of it to take along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Final

import streamlit as st
from streamlit.column_config import TextColumn

from app import navigation, record_queries
from app.components.command_line import command_line
from app.components.notice import notice
from app.components.relative_time import duration, exact_utc, relative
from app.components.status_badge import status_cell, status_column
from app.views.promotion_plan import served_name
from app.views.stage_card import TITLES
from backend.cli.documents import deployment_document
from backend.domain.history import Drifted, Era
from backend.domain.promotion import Deployment
from backend.domain.serving import Stage

PAGE_ROWS: Final = 50


def history_tools(stage: Stage, history: Sequence[Deployment]) -> Sequence[Deployment]:
    """What is above the table: a moment to ask about, the page, a file with all. Returns the page's deployments."""
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
        page = _page(stage, len(history))
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
    return history[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]


def history_table(shown: Sequence[Deployment]) -> None:
    """Deployments in their order; a click follows the one of the row."""
    now = datetime.now(UTC)
    rows = [
        {
            "Deployment": deployment.id,
            "Outcome": status_cell(deployment.outcome),
            "Kind": deployment.kind.value,
            "Change": f"{served_name(deployment.previous)} → v{deployment.version}",
            "By": deployment.requested_by,
            "Started": relative(deployment.started_at, now),
            "Took": duration(deployment.ended_at - deployment.started_at) if deployment.ended_at else "",
            "UTC": f"{deployment.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            "Error": deployment.error,
        }
        for deployment in shown
    ]
    selection = st.dataframe(
        rows,
        hide_index=True,
        key="promote_history",
        on_select="rerun",
        selection_mode="single-row",
        alt="Deployments, newest first",
        column_config={"Outcome": status_column("Outcome"), "UTC": TextColumn(width=145)},
    )
    chosen = selection["selection"]["rows"]
    if chosen and chosen[0] < len(rows) and st.query_params.get("deployment") != rows[chosen[0]]["Deployment"]:
        st.query_params["deployment"] = str(rows[chosen[0]]["Deployment"])
        st.rerun()


def _page(stage: Stage, deployments: int) -> int:
    pages = ceil(deployments / PAGE_ROWS)
    if pages <= 1:
        return 1
    st.caption(f"{deployments:,} deployments", width="content")
    return int(st.pagination(pages, key=f"history_page_{stage.value}", on_change=_deselect))


def _deselect() -> None:
    """A selection is a row number: on another page it would be of another deployment."""
    st.session_state["promote_history"] = {"selection": {"rows": [], "columns": [], "cells": []}}


def _answer(stage: Stage, moment: datetime) -> None:
    era, drifted = record_queries.stood_at(stage, moment)
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
    for span in drifted:
        notice(_otherwise(span), key=f"drifted_{span.since.timestamp():.0f}", kind="warning")
    command_line(f"python -m backend deployments at {stage.value} {moment:%Y-%m-%dT%H:%M}")


def _sentence(stage: Stage, era: Era | None, moment: datetime) -> str:
    name, said = TITLES[stage], exact_utc(moment)
    if era is None:
        return f"{name} served nothing at {said}: nothing had been deployed."
    if era.model is None:
        return f"{name} served nothing at {said}: {era.by} had deleted it at {exact_utc(era.since)}."
    until = f" until {exact_utc(era.until)}" if era.until else ", and does so still"
    return f"{name} served v{era.model.version} at {said}: from {exact_utc(era.since)}{until}, by {era.by}."


def _otherwise(span: Drifted) -> str:
    """What was wanted is not what answered: somebody had loaded something past the deployments."""
    until = f"until {exact_utc(span.until)}" if span.until else "and nobody has seen it in step since"
    return f"But something else answered, from {exact_utc(span.since)} {until}. {span.differences}".strip()
