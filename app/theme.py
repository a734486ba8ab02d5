"""The look of every page in one place: what `.streamlit/config.toml` cannot say, logo, icons, cards, chart colours."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

PRODUCT: Final = "Digit Ops"
_STATIC: Final = Path(__file__).parent / "static"
# A file: Streamlit fetches `:material/...:` page icons from the internet.
FAVICON: Final = _STATIC / "favicon.png"

Mode = Literal["light", "dark"]

_CSS: Final = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


def apply() -> None:
    """Set up page and logo and add the style sheet. Call once per run, before anything else is shown.

    Leaves the tab's title to each `st.Page`: a title set here would win over theirs.
    """
    st.set_page_config(page_icon=str(FAVICON), layout="wide", initial_sidebar_state="auto")
    st.logo(str(_STATIC / "logo.svg"), size="large", icon_image=str(_STATIC / "icon.svg"))
    st.html(f"<style>{_CSS}</style>")


def header(title: str, caption: str) -> DeltaGenerator:
    """Show a page's title with a sentence below it; the returned container takes badges and buttons on the right."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(gap=None, width="content", key="page_header"):
            st.title(title, anchor=False)
            st.caption(caption)
        return st.container(horizontal=True, vertical_alignment="center", width="content", key="page_actions")


def card(key: str, title: str = "", *, stretch: bool = False) -> DeltaGenerator:
    """A white (dark: raised) panel to write into, `key` unique on the page; `stretch` makes neighbours equally high."""
    panel = st.container(border=True, key=f"card_{key}", height="stretch" if stretch else "content")
    if title:
        panel.subheader(title, anchor=False)
    return panel


def mode() -> Mode:
    """The appearance this visitor chose; light until the browser has told."""
    return "dark" if st.context.theme.type == "dark" else "light"


def series_colours() -> list[str]:
    """Colours of chart series, in order, for charts that Streamlit does not colour itself (Plotly)."""
    return list(st.get_option(f"theme.{mode()}.chartCategoricalColors"))


def sequence_colours() -> list[str]:
    """Colours from little to much, for charts that Streamlit does not colour itself."""
    return list(st.get_option(f"theme.{mode()}.chartSequentialColors"))


def text() -> str:
    """The colour of text, for the same charts."""
    return str(st.get_option(f"theme.{mode()}.textColor"))


def tint() -> str:
    """A quiet background that marks a cell, for tables that Streamlit does not colour itself."""
    return sequence_colours()[1]


def named(colour: Literal["green", "red", "blue", "orange", "gray", "violet"]) -> str:
    """One of the colours that badges have, for the same charts."""
    return str(st.get_option(f"theme.{mode()}.{colour}Color"))
