"""What else the chosen runs say: how their configurations differ, their machines, their media, what they printed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import streamlit as st
from PIL import Image

from app import run_queries
from app.components.log_viewer import log_viewer
from app.components.plain_text import escaped
from app.components.run_charts import run_charts
from app.errors import shown
from app.run_figures import RELATIVE, Drawing
from backend.domain.run_columns import differing
from backend.domain.run_query import Value
from backend.domain.tracking import Console, MediaItem, Run

_MOST_COMPARED: Final = 20
_MOST_MACHINES: Final = 20
_MOST_WITH_MEDIA: Final = 8
_MOST_FILES: Final = 24
_PICTURES: Final = "image-file"
_MOST_PIXELS: Final = 16_000_000
"""Of a picture: four bytes each, while it is made small for the page."""


def configuration_of(runs: Sequence[Run]) -> None:
    """Names down, runs across: those that differ, or all."""
    compared = runs[:_MOST_COMPARED]
    only = len(runs) > 1 and st.toggle(
        "Only what differs", value=True, key="runs_differs", bind="query-params", persist_state="page"
    )
    configs = [run.flat_config for run in compared]
    names = differing(configs) if only else sorted({name for config in configs for name in config})
    if not names:
        one = "It recorded no configuration." if len(runs) == 1 else "These runs recorded no configuration."
        same = any(configs) and len(runs) > 1
        st.caption("Their configurations are the same." if same else one)
        return
    headings = _headings(compared)
    rows = [
        {
            "Configuration": name,
            **{head: _told(run.flat_config.get(name)) for head, run in zip(headings, compared, strict=True)},
        }
        for name in names
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key="runs_configuration",
        height="content" if len(rows) <= 16 else 560,
        alt="Configuration",
        column_config={"Configuration": st.column_config.TextColumn(pinned=True, width=200)},
    )
    if len(runs) > len(compared):
        st.caption(f"The first {len(compared)} of {len(runs):,} runs.")


def system_of(runs: Sequence[Run]) -> None:
    """CPU, memory, GPU, disk and network while they ran, in linked charts."""
    asked = runs[:_MOST_MACHINES]
    with shown("Read the system metrics"):
        names = sorted({name for run in asked for name in run_queries.system_metrics(run.key).columns})
        if not names:
            st.caption("These runs recorded nothing of their machines.")
            return
        encoded = run_queries.encoded_system(asked, Drawing(metrics=names, x=RELATIVE, judged=False))
        run_charts(encoded, key="runs_system", on_zoom=_nothing)
        if len(runs) > len(asked):
            st.caption(f"The first {len(asked)} of {len(runs):,} runs.")


def media_of(runs: Sequence[Run]) -> None:
    """Pictures and other files, by the name under which they were logged and the step."""
    asked = runs[:_MOST_WITH_MEDIA]
    with shown("Read the media"):
        found = {run.key: run_queries.media(run.key) for run in asked}
        metrics = sorted({item.metric for items in found.values() for item in items})
        if not metrics:
            st.caption("These runs logged no pictures or other files.")
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            metric = st.selectbox("Logged as", metrics, key="runs_media", width=260, persist_state="page")
            steps = sorted({item.step for items in found.values() for item in items if item.metric == metric})
            step = steps[-1]
            if len(steps) > 1:
                step = st.select_slider("Step", steps, steps[-1], key=f"runs_media_step_{metric}", width=320)
        for run in asked:
            items = _at(found[run.key], metric, step)
            if not items:
                continue
            if len(runs) > 1:
                st.text(f"{run.name}, step {items[0].step:,}")
            with st.container(horizontal=True, gap="small", key=f"media_row_{run.key}"):
                for item in items[:_MOST_FILES]:
                    _file(run, item)
            if len(items) > _MOST_FILES:
                st.caption(f"{_MOST_FILES} of {len(items)} files.")
        if len(runs) > len(asked):
            st.caption(f"The first {len(asked)} of {len(runs):,} runs.")


def console_of(runs: Sequence[Run]) -> None:
    """The end of what one of them printed."""
    run = runs[0]
    if len(runs) > 1:
        by_key = {run.key: run for run in runs}
        chosen = st.selectbox(
            "Run", list(by_key), format_func=lambda key: by_key[key].name, key="runs_console", width=380
        )
        run = by_key[chosen]
    with shown("Read the console"):
        console = run_queries.console(run.key)
        if not console.lines:
            st.caption("W&B recorded nothing that this run printed.")
            return
        text = _text(console)
        log_viewer(
            text,
            key="runs_console_text",
            file_name=f"{run.id}.console.log",
            read_all=lambda: text,
            cut=console.earlier,
        )


def _at(items: Sequence[MediaItem], metric: str, step: int) -> list[MediaItem]:
    """What a run logged at the step, or the last time before it; a file that it names twice is there once."""
    known = [item for item in items if item.metric == metric and item.step <= step]
    newest = max((item.step for item in known), default=None)
    return list({item.path: item for item in known if item.step == newest}.values())


def _file(run: Run, item: MediaItem) -> None:
    name = item.path.rpartition("/")[2]
    with shown(f"Show {item.path}"), st.container(width="content", gap=None, key=f"media_{run.key}_{item.path}"):
        if item.kind == _PICTURES:
            content = run_queries.media_file(run.key, item.path)
            why_not = _why_not_shown(content)
            if not why_not:
                st.image(content, width=96)
            if text := item.caption or why_not:
                st.text(text, width=96)
            if not why_not:
                return
        st.download_button(
            escaped(name),
            data=lambda: run_queries.media_file(run.key, item.path),
            file_name=name,
            key=f"media_file_{run.key}_{item.path}",
            icon=":material/download:",
            on_click="ignore",
        )


def _why_not_shown(content: bytes) -> str:
    """Only the beginning is looked at: pictures come from anybody, and a small file may be a huge one unpacked."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            width, height = picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # whatever a broken header leads to
        return "No picture that can be shown."
    if width * height > _MOST_PIXELS:
        return f"{width:,} x {height:,} pixels: too large to show here."
    return ""


def _headings(runs: Sequence[Run]) -> list[str]:
    names = [run.name for run in runs]
    return [run.name if names.count(run.name) == 1 else f"{run.name} ({run.id})" for run in runs]


def _told(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def _text(console: Console) -> str:
    return "\n".join(line.text for line in console.lines)


def _nothing() -> None:
    """The zoom over the machines' charts is nobody else's matter: it is not in the address."""
