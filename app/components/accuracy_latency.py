"""Accuracy against latency: which models nobody beats on both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from app import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class Point(NamedTuple):
    """One model: accuracy in percent with its interval, median latency in milliseconds, size in KiB."""

    name: str
    latency_ms: float
    accuracy: float
    low: float
    high: float
    kibibytes: float


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Those that no other is at least as accurate and as fast as, and better in one; from the fastest on."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.latency_ms, -point.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return front


def accuracy_latency(points: Sequence[Point], *, base: str, key: str, height: int = 320) -> None:
    front = pareto_front(points)
    told = "; ".join(f"{p.name} {p.accuracy:.2f} % at {p.latency_ms:.3f} ms" for p in points)
    st.plotly_chart(
        accuracy_latency_figure(points, base=base, colours=theme.series_colours(), text=theme.text()),
        key=key,
        height=height,
        alt=f"Accuracy against latency: {told}. Not beaten on both: {', '.join(point.name for point in front)}.",
        config={"displayModeBar": False},
    )


def accuracy_latency_figure(points: Sequence[Point], *, base: str, colours: Sequence[str], text: str) -> Figure:
    """The chart as Plotly takes it."""
    import plotly.graph_objects as go  # half a second: only when there is something to draw

    front = pareto_front(points)
    figure = go.Figure(
        go.Scatter(
            x=[point.latency_ms for point in front],
            y=[point.accuracy for point in front],
            mode="lines",
            line={"color": colours[0], "width": 2, "shape": "hv", "dash": "dot"},
            name="Pareto front",
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[point.latency_ms for point in points],
            y=[point.accuracy for point in points],
            mode="markers+text",
            text=[point.name for point in points],
            textposition="top center",
            textfont={"color": text, "size": 12},
            marker={
                "size": 12,
                "color": [colours[0] if point in front else colours[8] for point in points],
                "symbol": ["diamond" if point.name == base else "circle" for point in points],
            },
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [point.high - point.accuracy for point in points],
                "arrayminus": [point.accuracy - point.low for point in points],
                "color": colours[8],
                "thickness": 1,
                "width": 3,
            },
            customdata=[[point.low, point.high, point.kibibytes] for point in points],
            hovertemplate="%{text}: %{y:.2f} % (95 % between %{customdata[0]:.2f} and %{customdata[1]:.2f}), "
            "%{x:.3f} ms, %{customdata[2]:,.0f} KiB<extra></extra>",
            showlegend=False,
            cliponaxis=False,
        )
    )
    figure.update_layout(
        margin={"l": 8, "r": 24, "t": 28, "b": 40},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.12},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(title={"text": "median latency of one image, ms"}, fixedrange=True, showgrid=False)
    figure.update_yaxes(title={"text": "accuracy, %"}, fixedrange=True)
    return figure
