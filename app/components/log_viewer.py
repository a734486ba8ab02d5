"""A log to read, search, follow and download. Logs are untrusted text: they are shown as text only."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import streamlit as st

_HERE: Final = Path(__file__)
# ECMA-48 control sequences (colours, cursor) and the other control characters but tab and line feed.
_CONTROL: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_component = st.components.v2.component(
    "log_viewer",
    html=_HERE.with_suffix(".html").read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


def log_viewer(
    text: str, *, key: str, file_name: str, read_all: Callable[[], str], cut: bool = False, height: int = 360
) -> None:
    """Show `text`, the end of a log; `cut` says that there is more before it.

    `read_all` is called when someone downloads the log, to give all of it under `file_name`. `height` in pixels.
    The whole `text` is sent again whenever it changed: keep it to some 64 KiB.
    """
    if text.strip():
        _component(key=key, data={"text": readable(text), "height": height})
    else:
        st.caption("Nothing has been written yet.")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption("The end of the log; the download has all of it." if cut else "The whole log.", width="content")
        st.download_button(
            "Download",
            data=lambda: read_all().encode(),
            file_name=file_name,
            mime="text/plain",
            key=f"{key}_download",
            icon=":material/download:",
            on_click="ignore",
            disabled=not text.strip(),
        )


def readable(text: str) -> str:
    """Without terminal control sequences; of a line drawn over itself (progress bars) what was written last."""
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _CONTROL.sub("", "\n".join(lines))
