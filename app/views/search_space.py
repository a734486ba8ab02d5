"""The search space of a tuning job as rows to fill in: a hyperparameter, a list or a range, its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import streamlit as st

from app.state import Key
from app.tuning_figures import text_of
from backend.domain.search_space import NOT_TUNED, ParameterRange, value_list, value_range
from backend.domain.training import HYPERPARAMETERS, Hyperparameter, Value, hyperparameter
from backend.errors import InvalidInputError

Kind = Literal["list", "range", "log"]
_KINDS: Final[Mapping[Kind, str]] = {"list": "List", "range": "Range", "log": "Log range"}
TUNABLE: Final = [
    parameter.name for parameter in HYPERPARAMETERS if parameter.name not in NOT_TUNED and len(parameter.choices) != 1
]
_OFTEN: Final = ("label_smoothing", "dropout", "augmentation", "weight_decay")
"""Offered first by another row."""
# For what begins at nothing, where half and twice the usual value say nothing.
_WORTH_TRYING: Final[Mapping[str, tuple[Value, ...]]] = {
    "dropout": (0.0, 0.2, 0.4),
    "label_smoothing": (0.0, 0.05, 0.1),
    "weight_decay": (0.0, 1e-4, 1e-2),
    "ema": (0.0, 0.99, 0.995),
    "freehand": (0.0, 0.1, 0.2),
    "early_stopping": (0, 2, 4),
}


def search_space(
    initial: Sequence[ParameterRange], values: Mapping[str, Value], *, visit: object
) -> tuple[list[ParameterRange], list[str]]:
    """Show the rows and return the ranges of those that can be read, with a sentence about each that cannot.

    The rows begin as `initial` for each new `visit`; a row added later begins around the hyperparameter's own value in
    `values`.
    """
    rows = _rows(initial, visit)
    found: list[ParameterRange] = []
    problems: list[str] = []
    with st.container(key="space_rows", gap="small"):
        for number, start in rows.items():
            try:
                found.append(_row(number, start, values))
            except InvalidInputError as error:
                problems.append(error.message)
                with st.container(key=f"space_problem_{number}"):
                    st.text(error.message)
    free = [name for name in (*_OFTEN, *TUNABLE) if name not in _names(rows)]
    st.button(
        "Add a hyperparameter",
        key="space_add",
        icon=":material/add:",
        type="tertiary",
        on_click=_add,
        args=(free[0] if free else "", dict(values)),
        disabled=not free,
        help=None if free else "All that can be tuned are there.",
    )
    return found, problems


def suggested(name: str, value: Value, kind: Kind) -> ParameterRange:
    """Values worth trying around the hyperparameter's own."""
    parameter = hyperparameter(name)
    if parameter.kind == "choice":
        return value_list(name, parameter.choices)
    middle = float(value)
    usual = _WORTH_TRYING.get(name)
    if kind == "list":
        return value_list(name, usual or _around(parameter, middle))
    low, high = (float(usual[0]), float(usual[-1])) if usual else (middle / 4, middle * 4)
    if kind == "log":
        low = low or max(high / 100, 1.0 if parameter.kind == "integer" else 1e-6)
    low, high = max(parameter.low, low), min(parameter.high, high)
    if parameter.kind == "integer":
        low, high = max(1.0, float(int(low))) if kind == "log" else float(int(low)), float(int(high) + (low >= high))
    return value_range(name, low, high, log=kind == "log")


def _around(parameter: Hyperparameter, middle: float) -> list[Value]:
    """A third, the value itself and three times it; whole numbers half and twice."""
    factor = 2.0 if parameter.kind == "integer" else 3.0
    around = (middle / factor, middle, middle * factor)
    kept = [min(parameter.high, max(parameter.low, number)) for number in around]
    return [max(1, round(number)) if parameter.kind == "integer" else float(f"{number:.2g}") for number in kept]


def _rows(initial: Sequence[ParameterRange], visit: object) -> dict[int, ParameterRange]:
    state = st.session_state.get(Key.SPACE)
    if state is None or state["visit"] != visit:
        state = {"visit": visit, "rows": dict(enumerate(initial)), "next": len(initial)}
        st.session_state[Key.SPACE] = state
    rows: dict[int, ParameterRange] = state["rows"]
    return rows


def _names(rows: Mapping[int, ParameterRange]) -> list[str]:
    return [str(st.session_state.get(f"space_{number}_name", start.name)) for number, start in rows.items()]


def _add(name: str, values: Mapping[str, Value]) -> None:
    state = st.session_state[Key.SPACE]
    state["rows"][state["next"]] = suggested(name, values[name], "list")
    state["next"] += 1


def _remove(number: int) -> None:
    del st.session_state[Key.SPACE]["rows"][number]


def _row(number: int, start: ParameterRange, values: Mapping[str, Value]) -> ParameterRange:
    """One row; raises `InvalidInputError` when what it says is no range."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key=f"space_row_{number}"):
        name = st.selectbox(
            "Hyperparameter",
            TUNABLE,
            index=TUNABLE.index(start.name),
            format_func=lambda word: hyperparameter(word).label,
            key=f"space_{number}_name",
            width=150,
            persist_state="page",
        )
        kinds: list[Kind] = ["list"] if hyperparameter(name).kind == "choice" else list(_KINDS)
        kind = st.selectbox(
            "Kind",
            kinds,
            index=kinds.index(_kind(start)) if name == start.name else 0,
            format_func=_KINDS.__getitem__,
            key=f"space_{number}_{name}_kind",
            disabled=len(kinds) == 1,
            width=118,
            persist_state="page",
        )
        own = name == start.name and kind == _kind(start)
        given = start if own else suggested(name, values[name], kind)
        chosen = _values(given, kind, f"space_{number}_{name}_{kind}")
        st.button(
            "",
            key=f"space_{number}_remove",
            icon=":material/delete:",
            type="tertiary",
            help=f"Leave {hyperparameter(name).label.lower()} out of the search",
            on_click=_remove,
            args=(number,),
        )
    if kind == "list":
        return value_list(name, chosen)
    return value_range(name, chosen[0], chosen[1], log=kind == "log")


def _values(given: ParameterRange, kind: Kind, key: str) -> list[str]:
    parameter = hyperparameter(given.name)
    if kind == "list" and parameter.kind == "choice":
        default = [str(value) for value in given.values]
        return st.multiselect("Values", parameter.choices, default=default, key=f"{key}_values", persist_state="page")
    if kind == "list":
        text = st.text_input(
            "Values",
            ", ".join(text_of(value) for value in given.values),
            key=f"{key}_values",
            placeholder="numbers, with commas between them",
            persist_state="page",
        )
        return [part.strip() for part in text.split(",") if part.strip()]
    low = st.text_input("Low", _number(given.low), key=f"{key}_low", width=92, persist_state="page")
    high = st.text_input("High", _number(given.high), key=f"{key}_high", width=92, persist_state="page")
    return [low.strip(), high.strip()]


def _kind(parameter: ParameterRange) -> Kind:
    if parameter.values:
        return "list"
    return "log" if parameter.log else "range"


def _number(value: float) -> str:
    return f"{value:.6g}"
