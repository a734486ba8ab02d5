"""What the gates say, a row each: how it stands, what was observed against what is needed, why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from app.components.status_badge import status_badge
from backend.domain.gates import GateName, GateResult, GateStatus

_BADGE_WIDTH: Final = 124  # pixels, for the longest word a gate has
_TITLES: Final[Mapping[str, str]] = {
    GateName.DIGEST.value: "The registered bytes",
    GateName.APPROVED.value: "Approved",
    GateName.SAME_DATA.value: "Same test set",
    GateName.NOT_WORSE.value: "Not worse on the test set",
    GateName.RECALL_FLOOR.value: "Its worst digit",
    GateName.FREEHAND.value: "Not worse on drawings",
    GateName.HARD_EXAMPLES.value: "Corrected drawings kept",
    GateName.STAGING_FIRST.value: "Served on staging first",
    GateName.LATENCY.value: "Fast on staging",
    GateName.PROBE.value: "Known digits on staging",
}
_COMMAND: Final = "python -m "
_TESTED: Final = (GateName.NOT_WORSE.value, GateName.FREEHAND.value)
"""By a test, not by the number alone: -0.75 points fail a margin of 1 where it may well be more."""


def gate_title(name: str) -> str:
    """The gate's name for people; one that this release does not know is called what the record calls it."""
    return _TITLES.get(name, name)


def gate_rows(results: Sequence[GateResult], *, key: str) -> None:
    """Show the gates in their order. Reasons quote what people and other programs said: they are shown as they are."""
    with st.container(key=f"gates_{key}", gap="small"):
        for result in results:
            _row(result, key)


def gates_in_words(results: Sequence[GateResult]) -> str:
    """How they stand, counted: "8 passed, 2 not applicable"."""
    words = {
        GateStatus.FAILED: "failed",
        GateStatus.MISSING_EVIDENCE: "without evidence",
        GateStatus.PASSED: "passed",
        GateStatus.NOT_APPLICABLE: "not applicable",
    }
    counts = {status: sum(result.status is status for result in results) for status in words}
    return ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts[status])


def measured(result: GateResult) -> str:
    """`9.4 ms, at most 100 ms`, `99.5%, at least 99.0%`, `+0.12 points, margin 0.20`; empty for words and what was not
    observed.
    """
    observed, needed = result.observed, result.threshold
    if isinstance(observed, str) or isinstance(needed, str) or observed is None or needed is None:
        return ""
    if result.name in _TESTED:
        return f"{100 * observed:+.2f} points, margin {abs(100 * needed):.2f}"
    if result.name == GateName.HARD_EXAMPLES.value:
        return f"{100 * observed:+.2f} points, at least {100 * needed:+.2f}"
    if result.unit:
        return f"{observed:.1f} {result.unit}, at most {needed:g} {result.unit}"
    return f"{observed:.1%}, at least {needed:.1%}"


def what_to_do(results: Sequence[GateResult], *, key: str) -> None:
    """What would let the gates that stand in the way pass: sentences, and commands to copy, each once."""
    hints = dict.fromkeys(hint for result in results for hint in result.hint.split("; ") if hint)
    commands = [hint for hint in hints if hint.startswith(_COMMAND)]
    with st.container(key=f"gates_hints_{key}", gap="small"):
        for hint in hints:
            if hint not in commands:
                st.text(hint)
        if commands:
            st.code("\n".join(commands), language=None, wrap_lines=True)


def _row(result: GateResult, key: str) -> None:
    with st.container(horizontal=True, wrap=False, gap="small", key=f"gate_{result.status.value}_{key}_{result.name}"):
        with st.container(width=_BADGE_WIDTH):
            status_badge(result.status)
        with st.container(gap=None, width="stretch"):
            with st.container(horizontal=True, horizontal_alignment="distribute", gap="small"):
                st.text(gate_title(result.name), width="content")
                if numbers := measured(result):
                    st.text(numbers, width="content")
            with st.container(key=f"gate_reason_{key}_{result.name}"):
                st.text(result.reason)
