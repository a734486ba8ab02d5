"""All runs: filters that the address keeps, the table with columns and orders of one's choice, and which are drawn."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import streamlit as st

from app import run_queries, theme
from app.components.empty_state import empty_state
from app.components.run_table import RunRow, run_table, ticked_rows
from app.components.status_badge import look_of
from app.patterns import pattern
from app.run_selection import FIRST, Selection, parse_selection
from app.state import Key
from app.views.run_charts import colours_of
from app.views.run_columns import chosen_columns, chosen_orders, objective
from app.views.run_export import export_menu
from backend.domain.run_columns import Column, in_order, parse_column
from backend.domain.run_query import Lookup, parse_query
from backend.domain.run_values import lookup
from backend.domain.tracking import Run, RunState
from backend.errors import InvalidInputError

PAGE_ROWS: Final = 100
"""A sparkline each: more rows than this are on the next page of the table."""
TABLE: Final = "runs_table"
_FILTERS: Final[Mapping[str, Any]] = {"runs_name": "", "runs_filter": "", "runs_state": [], "runs_tags": []}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the rest of the page is about: the chosen runs, in the order of their colours, among those that fit."""

    chosen: Sequence[Run]
    fitting: Sequence[Run]


def run_list(runs: Sequence[Run]) -> Shown:
    """The filters and the table; tells what is chosen."""
    found = _filtered(runs)
    if not found:
        _no_match(len(runs))
        return Shown(chosen=[], fitting=[])
    with theme.card("runs"):
        tools = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
        left = tools.container(horizontal=True, vertical_alignment="center", width="content", key="runs_tools")
        right = tools.container(horizontal=True, vertical_alignment="center", width="content", key="runs_menus")
        with right:
            metric = objective(found)
            columns = chosen_columns(found, metric)
            orders = chosen_orders(found, metric)
        cells: dict[Column, Mapping[str, Any]] = {}

        def value(run: Run, column: Column) -> Any:
            if column not in cells:
                cells[column] = run_queries.cells(found, column)
            return cells[column][run.key]

        found = in_order(found, orders, value)
        by_key = {run.key: run for run in runs}
        keys = [run.key for run in found]
        selection = _keep_ticks(parse_selection(st.query_params.get("runs", "")), keys)
        chosen = [by_key[key] for key in selection.chosen(keys, by_key)]
        with right:
            page = _page(len(found))
            export_menu(chosen or found, columns)
        rows = found[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
        with left:
            _tools(selection, chosen, found, len(runs))
        opened = _table(rows, chosen, columns, metric)
    if opened:
        st.query_params["run"] = opened
        st.rerun(scope="app")
    return Shown(chosen=chosen, fitting=found)


def _table(rows: Sequence[Run], chosen: Sequence[Run], columns: Sequence[Column], metric: str) -> str:
    colours = colours_of(chosen)
    curves = run_queries.sparklines(rows, metric) if metric else {}
    cells = [run_queries.cells(rows, column) for column in columns]
    ticked = [number for number, run in enumerate(rows) if run.key in colours]
    st.session_state[Key.SHOWN_RUNS] = {"keys": [run.key for run in rows], "ticked": ticked}
    return run_table(
        [
            RunRow(
                run=run,
                colour=colours.get(run.key),
                curve=curves.get(run.key, ()),
                cells=[column[run.key] for column in cells],
            )
            for run in rows
        ],
        columns,
        key=TABLE,
        course_of=metric or "no metric",
    )


def choose(selection: Selection) -> None:
    """Put it into the address."""
    if selection.word:
        st.query_params["runs"] = selection.word
    else:
        st.query_params.pop("runs", None)


def _keep_ticks(selection: Selection, keys: Sequence[str]) -> Selection:
    """What was ticked or unticked since the table was drawn goes into the address, which alone says what is chosen."""
    table: dict[str, list[Any]] = st.session_state.get(Key.SHOWN_RUNS, {})
    rows = ticked_rows(TABLE)
    if rows is None or not table or rows == table["ticked"]:
        return selection
    shown = table["keys"]
    after = selection.ticked(shown, {shown[row] for row in rows if row < len(shown)}, keys)
    choose(after)
    return after


def _filtered(runs: Sequence[Run]) -> list[Run]:
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs_filters"):
        name = st.text_input(
            "Name",
            key="runs_name",
            bind="query-params",
            placeholder="regular expression",
            width=160,
            persist_state="page",
        )
        text = st.text_input(
            "Filter",
            key="runs_filter",
            bind="query-params",
            placeholder='config.lr < 0.01 and state == "finished"',
            width=330,
            persist_state="page",
            help=_FILTER_HELP,
        )
        states = st.pills(
            "State",
            [state.value for state in RunState],
            selection_mode="multi",
            format_func=lambda word: look_of(word).word,
            key="runs_state",
            bind="query-params",
            persist_state="page",
        )
        known = sorted({tag for run in runs for tag in run.tags})
        tags = (
            st.multiselect(
                "Tags", known, key="runs_tags", bind="query-params", width=150, persist_state="page", placeholder="any"
            )
            if known
            else []
        )
    found = [
        run for run in runs if (not states or run.state.value in states) and (not tags or set(tags) <= set(run.tags))
    ]
    return _by_text(_by_name(found, name or ""), text or "", runs)


def _by_name(runs: list[Run], wanted: str) -> list[Run]:
    if not wanted:
        return runs
    try:
        fits = pattern(wanted, ignore_case=True)
    except ValueError as error:
        _problem("name", f"The name is no regular expression: {error}.")
        return runs
    return [run for run in runs if fits(run.name)]


def _by_text(found: list[Run], text: str, runs: Sequence[Run]) -> list[Run]:
    try:
        query = parse_query(text, pattern)
    except InvalidInputError as error:
        _problem("filter", f"{error.message} {error.hint}")
        return found
    cells = {name: run_queries.cells(found, column) for name in query.names if (column := _metric_column(name))}

    def known(run: Run) -> Lookup:
        told = lookup(run)
        return lambda name: cells[name][run.key] if name in cells else told(name)

    fitting = [run for run in found if query.fits(known(run))]
    if not fitting:
        _unknown_names(query.names, runs)
    return fitting


def _metric_column(name: str) -> Column | None:
    """Such as `val/loss@best`: a listing may not have looked at the whole history, so it is asked for."""
    try:
        column = parse_column(name)
    except InvalidInputError:
        return None
    return column if column.kind == "metric" else None


def _unknown_names(names: frozenset[str], runs: Sequence[Run]) -> None:
    """A name that no run has fits nothing: most often it is misspelt."""
    said = []
    for name in sorted(names):
        if _metric_column(name) or any(lookup(run)(name) is not None for run in runs):
            continue
        known = {f"config.{key}" for run in runs for key in run.flat_config}
        known |= {f"summary.{key}" for run in runs for key in run.flat_summary}
        near = difflib.get_close_matches(name if "." in name else f"config.{name}", known, n=1)
        said.append(f"No run has {name!r}." + (f" Did you mean {near[0]}?" if near else ""))
    if said:
        _problem("filter", " ".join(said))


def _problem(field: str, text: str) -> None:
    """Below the fields; each has one at a time."""
    with st.container(key=f"runs_problem_{field}"):
        st.text(text)


def _page(found: int) -> int:
    pages = ceil(found / PAGE_ROWS)
    if pages == 1:
        return 1
    if st.session_state.get("runs_page", 1) > pages:  # the filter took it away
        st.session_state["runs_page"] = 1
    return int(st.pagination(pages, key="runs_page"))


def _tools(selection: Selection, chosen: Sequence[Run], found: Sequence[Run], of: int) -> None:
    counted = f"{len(found):,} runs" if len(found) == of else f"{len(found):,} of {of:,} runs"
    all_drawn = {run.key for run in found} <= {run.key for run in chosen}
    drawn = f"the first {len(chosen)} drawn" if selection.by_default and not all_drawn else f"{len(chosen):,} drawn"
    st.caption(f"{counted}, {drawn}", width="content")
    if not all_drawn:
        _choice(f"Draw all {len(found):,}", "runs_all", ":material/select_all:", Selection(everything=True))
    if not selection.by_default:
        _choice(f"Draw the first {FIRST}", "runs_first", ":material/looks_one:", Selection(by_default=True))


def _choice(label: str, key: str, icon: str, selection: Selection) -> None:
    st.button(label, key=key, icon=icon, type="tertiary", on_click=choose, args=(selection,))


def _no_match(of: int) -> None:
    empty_state(
        key="runs_no_match",
        icon=":material/filter_alt_off:",
        title="No run matches",
        sentence=f"{of:,} {'run is' if of == 1 else 'runs are'} there, none fits the filter.",
    )
    with st.container(horizontal_alignment="center"):
        st.button("Clear the filter", key="runs_clear_filter", type="primary", on_click=_clear_filter)


def _clear_filter() -> None:
    for key, nothing in _FILTERS.items():
        st.session_state[key] = nothing


_FILTER_HELP: Final = """
`config.lr < 0.01 and state == "finished"`\\
`0.001 < lr <= 0.01`, `val/loss@best < 0.1`\\
`name ~ "^search-"` looks for a regular expression\\
`"baseline" in tags`, `group in ["a", "b"]`\\
`config.dropout == null` finds runs without one

Words: `and or not`, parentheses; `state`, `name`, `started`, `duration` (seconds), `step`, `group`, `tags`, `synced`,
`config.NAME`, `summary.NAME`, `METRIC@best`.
"""
