"""Sets of hard examples: kept as they are, by a name that a training, an evaluation and a gate understand."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from app import queries
from app.components.command_line import command_line
from app.components.plain_table import plain_table
from app.components.relative_time import relative
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from backend.domain.example_sets import LONGEST_COMMENT
from backend.domain.identity import Role


def keep_control(name_now: str) -> None:
    """The drawings of now as a set; `name_now` is the one that they have already, else empty."""
    if name_now:
        st.badge(f"kept as {name_now}", icon=":material/lock:", color="green")
        return
    reason = refusal(Role.OPERATOR, "keep a set of hard examples")
    with st.popover(
        "Keep as a set", icon=":material/lock:", key="keep_set", disabled=bool(reason), help=reason or None
    ):
        st.caption(
            "A set never changes: another training, an evaluation and a gate can be given the very same drawings."
        )
        name = st.text_input("Name", key="set_name", max_chars=40, placeholder="slanted-sevens")
        comment = st.text_input("Why", key="set_comment", max_chars=LONGEST_COMMENT, placeholder="optional")
        st.button("Keep", key="set_keep", type="primary", on_click=_keep, args=(name, comment))
        command_line(f"python -m backend hard-examples keep {name or 'NAME'}")


def sets_table() -> None:
    kept = queries.example_sets()
    if not kept:
        return
    with st.expander(f"Sets that were kept · {len(kept)}", icon=":material/inventory:", type="compact"):
        plain_table(
            ["set", "drawings", "SHA-256", "kept", "by", "why"],
            [
                [one.name, str(one.n), one.sha256[:12], relative(one.at, datetime.now(UTC)), one.by, one.comment]
                for one in kept
            ],
            key="example_sets",
            alt="Sets of hard examples",
        )
        st.caption(
            "Train with one: *Labelled drawings* on Launch, or `--set hard_examples_set=NAME`. Ask for one before a "
            "promotion: `hard_examples: {tolerance: 0.02, set: NAME}` in models/gates.yaml."
        )


def _keep(name: str, comment: str) -> None:
    with shown("Keep the set"):
        backend().labelling.keep(name, actor=actor(), comment=comment)
        queries.forget_examples()
