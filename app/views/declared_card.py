"""What the repository declares beside what is served, and the change that would declare the chosen version."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from app import queries, theme
from app.components.command_line import command_line
from app.components.error_panel import error_panel
from app.components.notice import notice
from app.context import backend
from app.errors import shown
from app.identity import click_key, refusal
from app.state import Key
from app.views.stage_card import TITLES
from backend.domain.drift import Difference
from backend.domain.registry import ModelVersion
from backend.domain.serving import Stage
from backend.services.declaring import MODEL, PROPOSING_ROLE, Change, Declared

REFRESH = "1s"


def declared_card(version: ModelVersion) -> None:
    """The model configuration: in step or drifted, stage by stage, and how to change it to the chosen version."""
    with theme.card("declared", "Declared in the repository"), shown("Read the model configuration"):
        found = queries.declared()
        _state(found)
        change = backend().declaring.change_to(version.version)
        if change.patch:
            _change(change, version)
        else:
            st.caption(f"It declares v{version.version}, the chosen version.")
        followed = st.session_state.get(Key.PROPOSING, "")
        if followed:
            running = backend().operations.is_running(followed)
            st.fragment(_proposed, run_every=REFRESH if running else None)(followed, running)


def _state(found: Declared) -> None:
    for stage in Stage:
        differences = found.differences[stage]
        with st.container(
            horizontal=True, vertical_alignment="center", gap="small", wrap=False, key=f"declared_{stage.value}"
        ):
            st.badge(
                "In step" if not differences else "Drifted",
                icon=":material/check_circle:" if not differences else ":material/difference:",
                color="green" if not differences else "orange",
                width="content",
            )
            st.text(f"{TITLES[stage]} {_said(differences)}", width="stretch")
    served = found.endpoints[Stage.PROD].current
    if found.in_step or served is None:
        return
    if found.differences[Stage.PROD][0].what == MODEL:
        st.caption(f"To bring the file in step with production, choose v{served.version} as the version.")
    else:
        st.caption("To bring production in step with the file: `python -m backend deploy --stage prod`.")


def _said(differences: Sequence[Difference]) -> str:
    if not differences:
        return "serves what is declared"
    first = differences[0]
    if first.what == MODEL:
        return f"is declared {first.wanted}, serves {first.served}"
    told = ", ".join(f"{one.what} is {one.served}, declared {one.wanted}" for one in differences)
    return f"serves the declared model, hosted otherwise: {told}"


def _change(change: Change, version: ModelVersion) -> None:
    number = version.version
    with st.expander(f"The change that declares v{number}", icon=":material/difference:", type="compact"):
        st.code(change.patch, language="diff")
    declaring = backend().declaring
    unset = ""
    if not declaring.can_propose:
        unset = (
            "GitHub is not configured: copy the change above, or set DIGITS_GITHUB_REPOSITORY and DIGITS_GITHUB_TOKEN."
        )
    reason = refusal(PROPOSING_ROLE, "propose a version") or unset
    started = st.session_state.get(Key.PROPOSING, "")
    if started and backend().operations.is_running(started):
        reason = "The pull request is being opened."
    if st.button(
        f"Open a pull request for v{number}",
        key="declared_propose",
        icon=":material/merge:",
        disabled=bool(reason),
        help=reason or None,
        width="stretch",
    ):
        # With what came of the last click: after a refusal another one tries again.
        operation = f"propose-{click_key('propose', number, change.patch, started)[:12]}"
        backend().operations.start(operation, ["declare", str(number), "--propose", "--json"])
        st.session_state[Key.PROPOSING] = operation
        st.rerun()
    if unset:
        st.caption(unset)
    declare = f"python -m backend declare {number}"
    command_line(f"python -m backend declared\n{declare}\n{declare} --propose")


def _proposed(operation: str, was_running: bool) -> None:
    """What came of it: its process has printed one document."""
    if backend().operations.is_running(operation):
        st.caption("Opening the pull request …")
        return
    if was_running:
        st.rerun(scope="app")
    try:
        told = json.loads(backend().operations.answer(operation))
    except ValueError:
        error_panel(key="proposed", what="The pull request was not opened.", next_step="The log has the reason.")
        return
    if "error" in told:
        error_panel(key="proposed", what=told["error"]["message"], next_step=told["error"]["hint"])
        return
    word = "is open" if told["new"] else "was open already"
    notice(f"Pull request {told['pull_request']} {word}.", key="proposed")
    if str(told["url"]).startswith("https://"):
        st.link_button("Look at it on GitHub", told["url"], icon=":material/open_in_new:", width="stretch")
