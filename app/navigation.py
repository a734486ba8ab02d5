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
    hidden: bool = False
    """Reached by links and by its address only."""

    @property
    def file(self) -> str:
        """What `st.switch_page` and `st.page_link` take."""
        return str(PAGES_FOLDER / f"{self.address}.py")


OVERVIEW: Final = Entry(address="overview", title="Overview", icon=":material/dashboard:", section="")
LAUNCH: Final = Entry(address="launch", title="Launch", icon=":material/rocket_launch:", section="Build")
JOBS: Final = Entry(address="jobs", title="Jobs", icon=":material/list_alt:", section="Build")
RUNS: Final = Entry(address="runs", title="Runs", icon=":material/show_chart:", section="Learn")
COMPARE: Final = Entry(address="compare", title="Compare", icon=":material/compare_arrows:", section="Learn")
PROMOTE: Final = Entry(address="promote", title="Promote", icon=":material/verified:", section="Ship")
ENDPOINTS: Final = Entry(address="endpoints", title="Endpoints", icon=":material/dns:", section="Ship")
DRAW: Final = Entry(address="draw", title="Draw", icon=":material/draw:", section="Ship")
EVIDENCE: Final = Entry(address="evidence", title="Evidence", icon=":material/fact_check:", section="Ship", hidden=True)
AUDIT: Final = Entry(address="audit", title="Audit", icon=":material/history:", section="Admin")
CONNECTIONS: Final = Entry(address="connections", title="Connections", icon=":material/cable:", section="Admin")

ENTRIES: Final[Sequence[Entry]] = (
    OVERVIEW,
    LAUNCH,
    JOBS,
    RUNS,
    COMPARE,
    PROMOTE,
    ENDPOINTS,
    DRAW,
    EVIDENCE,
    AUDIT,
    CONNECTIONS,
)


def sections() -> Mapping[str, Sequence[StreamlitPage]]:
    """The pages by section, for `st.navigation`."""
    table: dict[str, list[StreamlitPage]] = {}
    for entry in ENTRIES:
        page = st.Page(
            entry.file,
            title=entry.title,
            icon=entry.icon,
            url_path=entry.address,
            default=entry is OVERVIEW,
            visibility="hidden" if entry.hidden else "visible",
        )
        table.setdefault(entry.section, []).append(page)
    return table
