"""The table of pages: their files, names, icons, addresses and sections, in the order of the sidebar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.navigation.page import StreamlitPage

PAGES_FOLDER: Final = Path(__file__).resolve().parents[1] / "pages"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One page; its file is `pages/<address>.py`."""

    address: str
    title: str
    icon: str
    section: str

    @property
    def file(self) -> str:
        """What `st.switch_page` and `st.page_link` take."""
        return str(PAGES_FOLDER / f"{self.address}.py")


OVERVIEW: Final = Entry(address="overview", title="Overview", icon=":material/dashboard:", section="")
LAUNCH: Final = Entry(address="launch", title="Launch", icon=":material/rocket_launch:", section="Build")
JOBS: Final = Entry(address="jobs", title="Jobs", icon=":material/list_alt:", section="Build")
COMPARE: Final = Entry(address="compare", title="Compare", icon=":material/compare_arrows:", section="Learn")
PROMOTE: Final = Entry(address="promote", title="Promote", icon=":material/verified:", section="Ship")
ENDPOINTS: Final = Entry(address="endpoints", title="Endpoints", icon=":material/dns:", section="Ship")
DRAW: Final = Entry(address="draw", title="Draw", icon=":material/draw:", section="Ship")
CONNECTIONS: Final = Entry(address="connections", title="Connections", icon=":material/cable:", section="Admin")

ENTRIES: Final[Sequence[Entry]] = (OVERVIEW, LAUNCH, JOBS, COMPARE, PROMOTE, ENDPOINTS, DRAW, CONNECTIONS)


def sections() -> Mapping[str, Sequence[StreamlitPage]]:
    """The pages by section, for `st.navigation`."""
    table: dict[str, list[StreamlitPage]] = {}
    for entry in ENTRIES:
        page = st.Page(
            entry.file, title=entry.title, icon=entry.icon, url_path=entry.address, default=entry is OVERVIEW
        )
        table.setdefault(entry.section, []).append(page)
    return table
