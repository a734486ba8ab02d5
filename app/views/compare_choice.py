"""Which versions are compared, on what: all of it in the address, so that a link shows the same to a colleague."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from app import queries
from backend.domain.comparison import MOST
from backend.domain.predictions import DataKind
from backend.domain.registry import ModelVersion
from backend.domain.serving import Stage
from backend.domain.statistics import MARGIN

KINDS: Final = {DataKind.TEST: "Test images", DataKind.FREEHAND: "Drawings", DataKind.HARD_EXAMPLES: "Hard examples"}
_MARGIN_POINTS: Final = 100 * MARGIN
_LARGEST_MARGIN: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """`margin` is a share of 1."""

    base: int
    others: tuple[int, ...]
    kind: DataKind
    margin: float


def choose(versions: Sequence[ModelVersion]) -> Choice:
    """The controls; `versions` newest first, at least two of them."""
    numbers = [version.version for version in versions]
    asked = _numbers(st.query_params.get("versions", ""), numbers)
    # Without a base in the address it is what prod serves, so that the question is "better than production?".
    default = usual_base(numbers, asked)
    named = _numbers(st.query_params.get("base", ""), numbers)
    with st.container(horizontal=True, vertical_alignment="bottom", key="compare_controls"):
        base = st.selectbox(
            "Base",
            numbers,
            index=numbers.index(named[0] if named else default),
            format_func=_label(),
            key="compare_base",
            width=190,
            help="Every other version is held against this one.",
        )
        candidates = [number for number in numbers if number != base]
        chosen = [number for number in asked if number != base][: MOST - 1] or candidates[:1]
        others = st.multiselect(
            "Versions",
            candidates,
            default=chosen,
            format_func=_label(),
            key="compare_versions",
            max_selections=MOST - 1,
            placeholder="Choose 1 to 19 versions",
            width="stretch",
        )
        words = list(KINDS.values())
        on = next((kind for kind in KINDS if kind.value == st.query_params.get("on", "")), DataKind.TEST)
        word = st.segmented_control("On", words, default=KINDS[on], required=True, key="compare_on")
        kind = next(kind for kind, name in KINDS.items() if name == word)
        margin = st.number_input(
            "Margin, points",
            min_value=0.01,
            max_value=_LARGEST_MARGIN,
            value=_margin(st.query_params.get("margin", "")),
            step=0.05,
            format="%.2f",
            key="compare_margin",
            width=130,
            help="A difference of accuracy smaller than this does not matter: for smaller or quantised models.",
        )
    _to_address(base, others, kind, margin)
    return Choice(base=base, others=tuple(others), kind=kind, margin=margin / 100)


def serving() -> Mapping[int, Sequence[str]]:
    """The stages that each version serves, by number."""
    found: dict[int, list[str]] = {}
    for stage in (Stage.PROD, Stage.STAGING):
        current = queries.endpoint(stage).current
        if current is not None:
            found.setdefault(current.version, []).append(stage.value)
    return found


def usual_base(numbers: Sequence[int], asked: Sequence[int]) -> int:
    """What prod serves, or staging; with nothing served the oldest of those asked for, or the one before the newest."""
    for number in serving():
        if number in numbers:
            return number
    return min(asked) if len(asked) > 1 else numbers[1]


def _to_address(base: int, others: Sequence[int], kind: DataKind, margin: float) -> None:
    st.query_params["base"] = str(base)
    st.query_params["versions"] = ",".join(map(str, others))
    for name, value, usual in (
        ("on", kind.value, DataKind.TEST.value),
        ("margin", f"{margin:g}", f"{_MARGIN_POINTS:g}"),
    ):
        if value == usual:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value


def _label() -> Callable[[int], str]:
    stages = serving()

    def label(number: int) -> str:
        return " · ".join([f"v{number}", *stages.get(number, ())])

    return label


def _numbers(text: str, known: Sequence[int]) -> list[int]:
    """The known versions that the address names, each once, in its order."""
    named = [int(word) for word in text.split(",") if word.strip().isdecimal()]
    return list(dict.fromkeys(number for number in named if number in known))


def _margin(text: str) -> float:
    try:
        asked = float(text)
    except ValueError:
        return _MARGIN_POINTS
    return asked if 0.01 <= asked <= _LARGEST_MARGIN else _MARGIN_POINTS
