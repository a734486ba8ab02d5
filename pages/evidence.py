"""Evidence: one deployment with all that is known about it; to read, to print and to export."""

from __future__ import annotations

import streamlit as st

from app import navigation, record_queries, theme
from app.components.command_line import command_line
from app.components.digit_image import digit_image
from app.components.empty_state import empty_state_link
from app.components.plain_table import plain_table
from app.components.status_badge import status_badge
from app.errors import shown
from app.views.evidence_files import evidence_files
from backend.domain.evidence import Evidence
from backend.domain.promotion import Outcome
from backend.errors import NotFoundError
from backend.services.evidence_sections import Section, headline, sections

REFRESH = "2s"


def section_card(section: Section, number: int) -> None:
    with theme.card(f"evidence_{number}", section.title):
        if section.sentence:
            st.text(section.sentence)
        if section.facts:
            plain_table((), section.facts, key=f"facts_{number}", alt=section.title)
        if section.columns:
            plain_table(section.columns, section.rows, key=f"rows_{number}", alt=section.title)
        if section.images:
            with st.container(horizontal=True, gap="small"):
                for picture in section.images:
                    with st.container(width=72, gap=None):
                        digit_image(picture.pixels, alt=picture.told, width=64)
                        st.caption(picture.told)


def whole(evidence: Evidence) -> None:
    deployment = evidence.deployment
    with theme.header("Evidence", headline(evidence)):
        status_badge(deployment.outcome)
        if deployment.probe is not None:
            failed = deployment.probe.failed
            st.badge(f"{failed} failed requests", color="red" if failed else "green", icon=":material/network_check:")
    with st.container(horizontal=True, vertical_alignment="center", key="evidence_tools"):
        evidence_files(evidence)
        st.page_link(
            navigation.PROMOTE.file,
            label="Follow on Promote",
            icon=navigation.PROMOTE.icon,
            query_params={"deployment": deployment.id, "stage": deployment.stage.value},
            width="content",
        )
    for number, section in enumerate(sections(evidence)):
        section_card(section, number)
    command_line(
        f"python -m backend deployments show {deployment.id} --json\n"
        f"python -m backend deployments show {deployment.id} --html {deployment.id}.html"
    )


def nothing_here(sentence: str) -> None:
    theme.header("Evidence", "One deployment with all that is known about it")
    empty_state_link(
        key="evidence_empty",
        icon=navigation.EVIDENCE.icon,
        title="No such deployment",
        sentence=sentence,
        page=navigation.PROMOTE.file,
        label="Choose a deployment",
        link_icon=":material/arrow_forward:",
    )


@st.fragment(run_every=REFRESH)
def wait_for_its_end(deployment_id: str) -> None:
    with shown("Look whether it has ended"):
        if record_queries.evidence(deployment_id).deployment.outcome is not Outcome.IN_PROGRESS:
            st.rerun(scope="app")


with shown("Show the evidence"):
    asked = st.query_params.get("deployment", "")
    if not asked:
        nothing_here("The address names none. The history of a stage, on Promote, has them all.")
    else:
        try:
            found = record_queries.evidence(asked)
        except NotFoundError:
            nothing_here("The address names a deployment that this installation does not have.")
        else:
            if found.deployment.outcome is Outcome.IN_PROGRESS:
                wait_for_its_end(asked)
            whole(found)
