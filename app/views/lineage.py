"""What became of a training job: its run, the versions made of it, the endpoints that serve them, each a link."""

from __future__ import annotations

import streamlit as st

from app import navigation, queries
from app.views.job_actions import versions_of
from backend.domain.serving import Stage


def version_links(job: str) -> None:
    """Links to the versions of the training job, and to where they are served."""
    for version in versions_of(job):
        st.page_link(
            navigation.PROMOTE.file,
            label=f"Version {version.version}",
            icon=":material/inventory_2:",
            query_params={"version": str(version.version)},
            width="content",
        )
        for stage in Stage:
            served = queries.endpoint(stage).served
            if served and served.version == version.version:
                st.page_link(
                    navigation.ENDPOINTS.file,
                    label=f"Serving on {stage.value}",
                    icon=":material/cloud_done:",
                    query_params={"stage": stage.value},
                    width="content",
                )


def run_link(job: str) -> None:
    """To the job's W&B run: its id is the job's name."""
    st.page_link(
        navigation.RUNS.file, label="W&B run", icon=navigation.RUNS.icon, query_params={"run": job}, width="content"
    )
