"""Ten bars, one a digit: what an endpoint believes. Three files beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import streamlit as st

_HERE: Final = Path(__file__)
_DIGITS: Final = 10

_component = st.components.v2.component(
    "probability_bars",
    html=_HERE.with_suffix(".html").read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


def probability_bars(probabilities: Sequence[float] | None, *, key: str) -> None:
    """Show ten probabilities (0..1), the largest highlighted; None (nothing asked yet) shows ten empty bars.

    Raises ValueError unless there are ten of them.
    """
    if probabilities is not None and len(probabilities) != _DIGITS:
        raise ValueError(f"Probabilities are one a digit: expected {_DIGITS}, got {len(probabilities)}.")
    shares = [float(share) for share in probabilities or [0.0] * _DIGITS]
    _component(
        key=key,
        data={
            "shares": shares,
            "texts": [percent(share) if probabilities is not None else "\N{EN DASH}" for share in shares],
            "best": max(range(_DIGITS), key=shares.__getitem__) if probabilities is not None else None,
            "alt": describe(probabilities),
        },
    )


def percent(share: float) -> str:
    """A probability as text, never rounded to a certainty: `99.98 %`, `39.6 %`, `<0.1 %`."""
    if share >= 0.9995:
        return f"{min(99.99, share * 100):.2f} %" if share < 1 else "100 %"
    return "<0.1 %" if 0 < share < 0.0005 else f"{share * 100:.1f} %"


def describe(probabilities: Sequence[float] | None) -> str:
    """The bars in words, most probable first, down to 1 %."""
    if probabilities is None:
        return "Probabilities of the digits 0 to 9: nothing asked yet"
    order = sorted(range(_DIGITS), key=lambda digit: -probabilities[digit])
    told = [f"{digit} {percent(probabilities[digit])}" for digit in order if probabilities[digit] >= 0.01]
    return "Probabilities: " + ", ".join(told)
