"""Recall by digit with its intervals: two models beside each other, the others as faint marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from app import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class Recalls(NamedTuple):
    """One model's recall of the ten digits in percent, and the ends of its 95 % intervals."""

    name: str
    shares: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]


def recall_chart(shown: Sequence[Recalls], others: Sequence[Recalls], *, key: str, height: int = 320) -> None:
    """`shown` with their intervals, `others` without."""
    told = "; ".join(
        f"{one.name}: " + ", ".join(f"{digit} {share:.1f}" for digit, share in enumerate(one.shares)) for one in shown
    )
    st.plotly_chart(
        recall_figure(shown, others, colours=theme.series_colours()),
        key=key,
        height=height,
        alt=f"Recall by digit in percent. {told}.",
        config={"displayModeBar": False},
    )


def recall_figure(shown: Sequence[Recalls], others: Sequence[Recalls], *, colours: Sequence[str]) -> Figure:
    """The chart as Plotly takes it."""
    import plotly.graph_objects as go  # half a second: only when there is something to draw

    figure = go.Figure()
    for one in others:
        figure.add_trace(
            go.Scatter(
                x=list(range(10)),
                y=list(one.shares),
                mode="markers",
                marker={"color": colours[8], "size": 6, "opacity": 0.45},
                name=one.name,
                hovertemplate=f"{one.name}, digit %{{x}}: %{{y:.2f}} %<extra></extra>",
                showlegend=False,
            )
        )
    for place, one in enumerate(shown):
        aside = 0.13 * (2 * place - len(shown) + 1)
        figure.add_trace(
            go.Scatter(
                x=[digit + aside for digit in range(10)],
                y=list(one.shares),
                mode="markers",
                marker={"color": colours[(8, 0)[place] if len(shown) == 2 else place], "size": 9},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [high - share for high, share in zip(one.highs, one.shares, strict=True)],
                    "arrayminus": [share - low for low, share in zip(one.lows, one.shares, strict=True)],
                    "thickness": 2,
                    "width": 4,
                },
                name=one.name,
                customdata=list(zip(range(10), one.lows, one.highs, strict=True)),
                hovertemplate=f"{one.name}, digit %{{customdata[0]}}: %{{y:.2f}} % (95 % between "
                "%{customdata[1]:.2f} and %{customdata[2]:.2f})<extra></extra>",
            )
        )
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 28, "b": 40},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.12},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(title={"text": "digit"}, tickvals=list(range(10)), fixedrange=True, showgrid=False)
    figure.update_yaxes(title={"text": "recall, %"}, fixedrange=True)
    return figure
