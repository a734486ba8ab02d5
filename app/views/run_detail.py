"""One run: where it came from and what became of it, its numbers, curves, configuration, machine, media and console."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import streamlit as st

from app import navigation, queries, run_queries, theme
from app.components.command_line import command_line
from app.components.figures import Figure, figures
from app.components.notice import notice
from app.components.plain_text import badge_text, escaped
from app.components.relative_time import duration, relative_time
from app.errors import shown
from app.views.lineage import version_links
from app.views.run_charts import charts_of
from app.views.run_columns import metric_names
from app.views.run_panels import configuration_of, console_of, media_of, system_of
from backend.domain.run_columns import parse_column
from backend.domain.run_values import is_better_smaller
from backend.domain.tracking import Run
from backend.errors import NotFoundError

_FIGURES: Final = 4


def run_detail(run: Run) -> None:
    """Everything below the run's title."""
    if run.notice:
        notice(run.notice, key="run_notice", kind="warning")
    if run.damaged:
        places = "One place" if run.damaged == 1 else f"{run.damaged} places"
        notice(f"{places} of its file could not be read; what was there is missing.", key="run_damaged", kind="warning")
    with theme.card("run"):
        _numbers(run)
        with st.container(horizontal=True, vertical_alignment="center", key="run_lineage"):
            _origin(run)
        if run.notes:
            st.text(run.notes)
    with theme.card("run_charts", "Metrics"), shown("Draw the run"):
        charts_of([run])
    left, right = st.columns(2, gap="medium")
    with left, theme.card("run_configuration", "Configuration", stretch=True):
        configuration_of([run])
    with right, theme.card("run_summary", "Summary", stretch=True):
        _summary(run)
    for key, title, part in _PARTS:
        with theme.card(key, title):
            part([run])


_PARTS: Final[tuple[tuple[str, str, Callable[[list[Run]], None]], ...]] = (
    ("run_media", "Media", media_of),
    ("run_system", "System", system_of),
    ("run_console", "Console", console_of),
)


def _numbers(run: Run) -> None:
    told = [Figure("Duration", duration(timedelta(seconds=run.runtime)))]
    if run.last_step >= 0:
        told.append(Figure("Last step", f"{run.last_step:,}"))
    for metric in metric_names([run])[: _FIGURES - len(told)] if len(told) < _FIGURES else []:
        column = parse_column(f"{metric}@best")
        value = run_queries.cells([run], column)[run.key]
        if isinstance(value, int | float):
            word = "Lowest" if is_better_smaller(metric, [run]) else "Highest"
            told.append(Figure(escaped(f"{word} {metric}"), f"{value:.5g}"))
    figures(told, key="run")


def _origin(run: Run) -> None:
    """The job that it is the run of, the versions and endpoints that came of it, W&B's own page."""
    relative_time(run.created_at, before="started")
    for tag in (*run.tags, *filter(None, (run.group, run.job_type))):
        st.badge(badge_text(tag), color="violet")
    try:
        job = queries.any_job(run.id)
    except NotFoundError:
        pass
    else:
        st.page_link(
            navigation.JOBS.file,
            label=f"Job {job.name}",
            icon=navigation.JOBS.icon,
            query_params={"job": job.name},
            width="content",
        )
        version_links(job.name)
    if run.url.startswith(("https://", "http://")):
        st.link_button("Open in W&B", run.url, icon=":material/open_in_new:", type="tertiary")
    else:
        command_line(f"python -m backend runs sync {run.id}")


def _summary(run: Run) -> None:
    told: Mapping[str, object] = run.flat_summary
    rows = [
        {"Summary": name, "Value": f"{value:.6g}" if isinstance(value, float) else str(value)}
        for name, value in sorted(told.items())
        if not name.startswith("_")
    ]
    if not rows:
        st.caption("It has summarised nothing.")
        return
    st.dataframe(
        rows,
        hide_index=True,
        key="run_summary",
        height="content" if len(rows) <= 12 else 440,
        alt="Summary",
        column_config={"Summary": st.column_config.TextColumn(pinned=True, width=200)},
    )
