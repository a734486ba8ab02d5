"""Differences with their intervals against a base, and the band of differences that do not matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import streamlit as st

from app import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ROW: Final = 34  # pixels


class Difference(NamedTuple):
    """One candidate: accuracy minus the base's in points, its interval, and the finding in a word."""

    name: str
    points: float
    low: float
    high: float
    finding: str


def difference_plot(
    differences: Sequence[Difference], *, base: str, margin: float, colours: dict[str, str], key: str
) -> None:
    """Show them from top to bottom; `margin` in points, `colours` by finding."""
    told = "; ".join(f"{d.name} {d.points:+.2f} ({d.low:+.2f} to {d.high:+.2f})" for d in differences)
    st.plotly_chart(
        difference_figure(differences, base=base, margin=margin, colours=colours, text=theme.text()),
        key=key,
        height=86 + _ROW * len(differences),
        alt=f"Difference of accuracy to {base} in points, with 95 % intervals: {told}. "
        f"Differences below {margin:g} do not matter.",
        config={"displayModeBar": False},
    )


def difference_figure(
    differences: Sequence[Difference], *, base: str, margin: float, colours: dict[str, str], text: str
) -> Figure:
    """The chart as Plotly takes it."""
    import plotly.graph_objects as go  # half a second: only when there is something to draw

    shades = [colours[difference.finding] for difference in differences]
    figure = go.Figure()
    figure.add_vrect(x0=-margin, x1=margin, fillcolor=text, opacity=0.07, line_width=0)
    figure.add_vline(x=0, line={"color": text, "width": 1}, opacity=0.5)
    for difference, colour in zip(differences, shades, strict=True):
        figure.add_trace(
            go.Scatter(
                x=[difference.points],
                y=[difference.name],
                mode="markers",
                marker={"color": colour, "size": 11},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [difference.high - difference.points],
                    "arrayminus": [difference.points - difference.low],
                    "color": colour,
                    "thickness": 2.5,
                    "width": 5,
                },
                hovertemplate=f"{difference.name}: {difference.points:+.2f} points, 95 % between "
                f"{difference.low:+.2f} and {difference.high:+.2f}<extra></extra>",
                showlegend=False,
            )
        )
    figure.update_layout(
        margin={"l": 8, "r": 16, "t": 8, "b": 40}, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)"
    )
    figure.update_xaxes(title={"text": f"points of accuracy against {base}"}, fixedrange=True, zeroline=False)
    figure.update_yaxes(autorange="reversed", fixedrange=True, showgrid=False)
    return figure
