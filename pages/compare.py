"""Compare: which version is better, on the same images, and how sure that is."""

from __future__ import annotations

import streamlit as st

from app import navigation, queries, theme
from app.comparison_queries import comparison
from app.components.command_line import command_line
from app.components.empty_state import empty_state_link
from app.errors import shown
from app.views.compare_choice import Choice, choose, serving
from app.views.compare_closer import choose_focus, confusion_cards, gallery_card
from app.views.compare_numbers import curves_card, metrics_card, parameters_card, recall_card, scatter_card
from app.views.compare_verdict import verdict_card
from app.views.evaluation_run import missing_card
from app.views.register_archive import register_archive_fold
from backend.domain.comparison import Comparison
from backend.domain.predictions import DataKind
from backend.domain.statistics import MARGIN


def command_of(choice: Choice) -> str:
    on = "" if choice.kind is DataKind.TEST else f" --on {choice.kind.value}"
    margin = "" if choice.margin == MARGIN else f" --margin {100 * choice.margin:g}"
    return f"python -m backend compare {choice.base} {' '.join(map(str, choice.others))}{on}{margin}"


def compared(found: Comparison) -> None:
    missing_card(found)
    verdict_card(found)
    metrics_card(found, serving())
    focus = choose_focus(found)
    jobs = {job.name: job for job in queries.jobs()}
    if focus is not None:
        left, right = st.columns(2, gap="medium")
        with left:
            scatter_card(found)
        with right:
            recall_card(found, focus)
        confusion_cards(found, focus)
        gallery_card(found, focus)
    left, right = st.columns(2, gap="medium")
    with left:
        curves_card(found, jobs)
    with right:
        parameters_card(found, jobs)


with shown("Compare the versions"):
    versions = queries.versions()
    with theme.header("Compare", "Which version is better, on the very same images, and how sure that is"):
        st.page_link(navigation.PROMOTE.file, label="Promote", icon=navigation.PROMOTE.icon)
    if len(versions) < 2:
        empty_state_link(
            key="compare_empty",
            icon=navigation.COMPARE.icon,
            title="Two versions are needed" if versions else "No versions yet",
            sentence="Train another model and register it: then this page says whether it is better, and on which "
            "images."
            if versions
            else "Register two completed jobs: then this page says which model is better, and on which images.",
            page=navigation.LAUNCH.file if versions else navigation.JOBS.file,
            label="Launch a training" if versions else "Choose a job",
            link_icon=":material/arrow_forward:",
        )
    else:
        choice = choose(versions)
        if choice.others:
            compared(comparison(choice.base, choice.others, choice.kind, choice.margin))
            command_line(command_of(choice))
        else:
            st.caption("Choose a version to hold against the base.")
    register_archive_fold()
