"""Parallel coordinates: each trial a line across the hyperparameters to its objective, coloured by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from app import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis: where each line crosses it, and its ticks with their words."""

    label: str
    values: Sequence[float]
    low: float
    high: float
    ticks: Sequence[float]
    words: Sequence[str]


def parallel_coordinates(
    axes: Sequence[Axis], *, smaller_is_better: bool, key: str, alt: str, height: int = 330
) -> None:
    """Show the lines; the last axis is what they are coloured by, the better the stronger."""
    st.plotly_chart(
        parallel_figure(axes, smaller_is_better=smaller_is_better, colours=theme.sequence_colours(), text=theme.text()),
        key=key,
        height=height,
        alt=alt,
        config={"displayModeBar": False},
    )


def parallel_figure(axes: Sequence[Axis], *, smaller_is_better: bool, colours: Sequence[str], text: str) -> Figure:
    """The chart as Plotly takes it. `colours` go from the weakest to the strongest."""
    import plotly.graph_objects as go  # half a second: only when there is something to draw

    strong = colours[3:9]  # the ends of the scale would not be seen on the card
    shades = [[place / (len(strong) - 1), colour] for place, colour in enumerate(strong)]
    figure = go.Figure(
        go.Parcoords(
            line={
                "color": list(axes[-1].values),
                "colorscale": shades,
                "reversescale": smaller_is_better,
                "cmin": axes[-1].low,
                "cmax": axes[-1].high,
            },
            dimensions=[
                {
                    "label": axis.label,
                    "values": list(axis.values),
                    "range": [axis.low, axis.high],
                    "tickvals": list(axis.ticks),
                    "ticktext": list(axis.words),
                }
                for axis in axes
            ],
            labelfont={"color": text, "size": 13},
            tickfont={"color": text, "size": 11},
            rangefont={"color": "rgba(0,0,0,0)", "size": 1},  # Plotly's own ends repeat the ticks
            unselected={"line": {"opacity": 0.08}},
        )
    )
    figure.update_layout(margin={"l": 56, "r": 56, "t": 44, "b": 16}, paper_bgcolor="rgba(0,0,0,0)")
    return figure
