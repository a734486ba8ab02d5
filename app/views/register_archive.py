"""An archive that was made elsewhere becomes a version: checked, registered and evaluated in a process of its own."""

from __future__ import annotations

import shlex

import streamlit as st

from app.components.command_line import command_line
from app.context import backend
from app.errors import shown
from app.identity import actor, click_key, refusal
from app.views.evaluation_run import PARAMETER, followed_evaluation
from backend.domain.identity import Role


def register_archive_fold() -> None:
    with st.expander("Register an archive that was made elsewhere", icon=":material/inventory_2:"):
        st.caption(
            "A model.tar.gz with mnist/config.pbtxt and mnist/1/model.onnx, on the machine that runs this dashboard. "
            "It is checked before anything of it is kept, and then run over the test images."
        )
        reason = refusal(Role.OPERATOR, "register a model version")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            path = st.text_input("Path", key="register_path", placeholder="/path/to/model.tar.gz", max_chars=500)
            if st.button(
                "Register and evaluate",
                key="register_archive",
                icon=":material/inventory_2:",
                disabled=bool(reason) or not path.strip(),
                help=reason or (None if path.strip() else "Say where the archive lies."),
            ):
                with shown("Register the archive"):
                    actor().require(Role.OPERATOR, "register a model version")
                    operation = f"register-{click_key('register', path, followed_evaluation())[:12]}"
                    backend().operations.start(operation, ["register", "--archive", path.strip(), "--json"])
                    st.query_params[PARAMETER] = operation
                    st.rerun()
        command_line(f"python -m backend register --archive {shlex.quote(path.strip() or 'model.tar.gz')}")
