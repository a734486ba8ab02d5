"""What is taken for what: a confusion matrix, and the difference of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from app import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Matrix = Sequence[Sequence[int]]
"""[actual][predicted], 10 x 10."""
_WORDS_OF: Final = 4


def confusion_matrix(matrix: Matrix, *, name: str, key: str, height: int = 330) -> None:
    """Only mistakes are coloured: what is right outnumbers them a thousand times."""
    st.plotly_chart(
        confusion_figure(matrix, shades=theme.sequence_colours(), text=theme.text()),
        key=key,
        height=height,
        alt=f"Confusion matrix of {name}. Most often taken for another: {_most(matrix)}.",
        config={"displayModeBar": False},
    )


def confusion_change(difference: Matrix, *, candidate: str, base: str, key: str, height: int = 330) -> None:
    """`difference` is candidate minus base: fewer mistakes and more hits are good, told by colour and sign."""
    worse = _most(difference) or "none"
    better = _most([[-count for count in row] for row in difference]) or "none"
    st.plotly_chart(
        change_figure(difference, good=theme.series_colours()[1], bad=theme.series_colours()[3], text=theme.text()),
        key=key,
        height=height,
        alt=f"Mistakes of {candidate} minus those of {base}. More often: {worse}. Less often: {better}.",
        config={"displayModeBar": False},
    )


def confusion_figure(matrix: Matrix, *, shades: Sequence[str], text: str) -> Figure:
    mistakes = [
        [None if row == column else count or None for column, count in enumerate(counts)]
        for row, counts in enumerate(matrix)
    ]
    scale = [[place / 6, shade] for place, shade in enumerate(shades[1:8])]
    words = [[str(count) if count else "" for count in row] for row in matrix]
    return _heatmap(mistakes, words, colorscale=scale, zmin=0, text=text)


def change_figure(difference: Matrix, *, good: str, bad: str, text: str) -> Figure:
    # On the diagonal more is better, beside it worse: one colour for one meaning.
    harm = [
        [(-count if row == column else count) or None for column, count in enumerate(counts)]
        for row, counts in enumerate(difference)
    ]
    most = max((abs(count) for row in harm for count in row if count), default=1)
    words = [[f"{count:+d}" if count else "" for count in row] for row in difference]
    scale = [[0, good], [0.5, "rgba(128,128,128,0.06)"], [1, bad]]
    return _heatmap(harm, words, colorscale=scale, zmin=-most, zmax=most, text=text)


def _heatmap(z: Sequence[Sequence[int | None]], words: Sequence[Sequence[str]], *, text: str, **colour: Any) -> Figure:
    import plotly.graph_objects as go  # half a second: only when there is something to draw

    digits = [str(digit) for digit in range(10)]
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=digits,
            y=digits,
            showscale=False,
            xgap=2,
            ygap=2,
            hoverongaps=False,
            hovertemplate="a %{y} read as %{x}: %{customdata}<extra></extra>",
            customdata=words,
            **colour,
        )
    )
    # As annotations: a heatmap writes nothing where it draws nothing, and the diagonal is not drawn.
    for row, texts in enumerate(words):
        for column, word in enumerate(texts):
            if word:
                shade = 0.55 if row == column and z[row][column] is None else 1.0
                figure.add_annotation(
                    x=digits[column],
                    y=digits[row],
                    text=word,
                    showarrow=False,
                    font={"color": text, "size": 10},
                    opacity=shade,
                )
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 8, "b": 36}, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)"
    )
    figure.update_xaxes(title={"text": "read as"}, type="category", fixedrange=True, showgrid=False, range=[-0.5, 9.5])
    figure.update_yaxes(
        title={"text": "is"}, type="category", fixedrange=True, showgrid=False, range=[9.5, -0.5], ticks=""
    )
    return figure


def _most(matrix: Matrix) -> str:
    """The most frequent mistakes in words."""
    found = [
        (count, row, column)
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count > 0
    ]
    return ", ".join(f"{row} as {column} ({count})" for count, row, column in sorted(found, reverse=True)[:_WORDS_OF])
