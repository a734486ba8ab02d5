"""The evidence of a deployment, to take along."""

from __future__ import annotations

import json

import streamlit as st

from backend.cli.documents import evidence_document
from backend.domain.evidence import Evidence
from backend.services.evidence_html import evidence_html


def evidence_files(evidence: Evidence) -> None:
    """One HTML file that needs nothing beside it, and the JSON document of the command line."""
    name = evidence.deployment.id
    st.download_button(
        "HTML file",
        data=lambda: evidence_html(evidence),
        file_name=f"{name}.html",
        mime="text/html",
        key="evidence_html",
        icon=":material/download:",
        on_click="ignore",
        help="One file to keep, send or print. It loads nothing from anywhere.",
    )
    st.download_button(
        "JSON",
        data=lambda: json.dumps(evidence_document(evidence), indent=2),
        file_name=f"{name}.json",
        mime="application/json",
        key="evidence_json",
        icon=":material/download:",
        on_click="ignore",
    )
