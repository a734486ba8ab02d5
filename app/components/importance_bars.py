"""How much each hyperparameter explains, as bars."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import theme


def importance_bars(shares: Mapping[str, float], *, key: str, height: int = 240) -> None:
    """Show shares (0..1, together 1) by label, the largest on top."""
    import plotly.graph_objects as go  # half a second: only when there is something to draw

    labels, values = list(shares), list(shares.values())
    figure = go.Figure(
        go.Bar(
            x=values,
            y=labels,
            orientation="h",
            text=[f"{share:.0%}" for share in values],
            textposition="outside",
            cliponaxis=False,
            marker={"color": theme.series_colours()[0], "cornerradius": 4},
            width=0.5,
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    figure.update_layout(
        margin={"l": 8, "r": 40, "t": 8, "b": 8}, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)"
    )
    figure.update_xaxes(range=[0, max(1.0, *values)], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    told = ", ".join(f"{label} {share:.0%}" for label, share in shares.items())
    st.plotly_chart(
        figure, key=key, height=height, alt=f"Parameter importance: {told}.", config={"displayModeBar": False}
    )
