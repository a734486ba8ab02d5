"""Launch: what to train or to search, exactly, and the button."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app import theme
from app.errors import shown
from app.views.launch_parts import clone_source
from app.views.launch_train import train_form
from app.views.launch_tune import tune_form
from backend.domain.tuning import TuningJob

_MODES: Final = {"train": ":material/model_training: Train", "tune": ":material/tune: Tune"}


def mode_of_address(*, tuning: bool) -> str:
    """What `?mode=` says; without it, the mode of the job that is cloned."""
    asked = st.query_params.get("mode", "")
    return asked if asked in _MODES else "tune" if tuning else "train"


def keep_in_address() -> None:
    st.query_params["mode"] = st.session_state["launch_mode"]


theme.header("Launch", "Train a model, or search for good hyperparameters; it goes on when you leave")
with shown("Show the launch form"):
    source = clone_source()
    mode = st.segmented_control(
        "What to launch",
        list(_MODES),
        default=mode_of_address(tuning=isinstance(source, TuningJob)),
        required=True,
        format_func=_MODES.__getitem__,
        key="launch_mode",
        on_change=keep_in_address,
        label_visibility="collapsed",
    )
    (tune_form if mode == "tune" else train_form)(source)
