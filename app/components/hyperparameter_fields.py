"""Inputs for every hyperparameter, the common ones at once and the others behind a fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from backend.domain.training import HYPERPARAMETERS, Hyperparameter, Value

_COMMON: Final = ("epochs", "lr", "batch_size", "augmentation", "dataset", "seed")
"""Shown at once."""
_BY_NAME: Final = {parameter.name: parameter for parameter in HYPERPARAMETERS}
_COLUMNS: Final = 3


def hyperparameter_fields(
    defaults: Mapping[str, Value],
    scope: str,
    *,
    searched: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
    offered: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Value]:
    """Show all inputs and return every hyperparameter by name. `scope` is part of their keys: another one begins from
    its own `defaults`.

    `searched` are those that a tuning job chooses itself, each with what it chooses from: they are told, not asked for.
    `notes` are added to what a hyperparameter says on hover. `offered` are the values that this installation has for a
    text, each with its words; one that the form begins with and that is not among them stays as it is.
    """
    told = searched or {}
    chosen: dict[str, Value] = {}

    def grid(names: Sequence[str]) -> None:
        # A row of columns at a time: on a phone, where columns are stacked, the order stays.
        for first in range(0, len(names), _COLUMNS):
            for column, name in zip(st.columns(_COLUMNS), names[first : first + _COLUMNS], strict=False):
                with column:
                    if name in told:
                        _told(_BY_NAME[name], told[name], scope)
                    else:
                        explained = " ".join(filter(None, (_BY_NAME[name].help, (notes or {}).get(name))))
                        known = (offered or {}).get(name)
                        chosen[name] = _field(_BY_NAME[name], defaults[name], scope, explained, known)

    rest = [name for name in _BY_NAME if name not in _COMMON and len(_BY_NAME[name].choices) != 1]
    grid(_COMMON)
    with st.expander("More hyperparameters", icon=":material/tune:"):
        grid(rest)
    return {**defaults, **chosen}


def _told(parameter: Hyperparameter, words: str, scope: str) -> None:
    st.text_input(
        parameter.label,
        # A disabled input keeps the value it was first shown with under its key.
        value=f"searched: {words}",
        key=f"launch_{scope}_{parameter.name}_searched_{words}",
        disabled=True,
        help="The tuning job chooses it for each trial.",
    )


def _field(
    parameter: Hyperparameter, default: Value, scope: str, explained: str, known: Mapping[str, str] | None
) -> Value:
    key, label = f"launch_{scope}_{parameter.name}", parameter.label
    if known is not None:
        values = list(dict.fromkeys([*known, str(default)]))
        return st.selectbox(
            label,
            values,
            index=values.index(str(default)),
            format_func=lambda value: known.get(value, value),
            key=key,
            help=explained,
            persist_state="page",
        )
    if parameter.kind == "choice":
        return st.selectbox(
            label,
            parameter.choices,
            index=parameter.choices.index(str(default)),
            key=key,
            help=explained,
            persist_state="page",
        )
    if parameter.kind == "text":
        return st.text_input(label, str(default), key=key, help=explained, persist_state="page")
    if parameter.kind == "integer":
        low, high = int(parameter.low), int(parameter.high)
        return st.number_input(label, low, high, int(default), step=1, key=key, help=explained, persist_state="page")
    return st.number_input(
        label,
        parameter.low,
        parameter.high,
        float(default),
        step=float(default) / 10 or 0.01,
        format="%g",
        key=key,
        help=explained,
        persist_state="page",
    )
