"""What a stage answered to our clients: which digits, how sure, and whether that is what it was tested on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from app import theme, upkeep_queries
from app.components.mix_bars import mix_bars
from app.components.status_badge import status_badge
from app.components.time_chart import Moment, time_chart
from app.errors import shown
from backend.domain.prediction_mix import ALPHA, FEWEST, LARGE, SMALL, UNSURE_BELOW, Tally
from backend.domain.serving import Stage
from backend.domain.traffic import Span

REFRESH = "15s"


def answers_card(stage: Stage, span: Span) -> None:
    with theme.card("answers", "Answers"):
        st.fragment(_live, run_every=REFRESH)(stage, span)


def _live(stage: Stage, span: Span) -> None:
    with shown("Look at the answers"):
        found = upkeep_queries.answers(stage, span)
        drift = found.drift
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            status_badge(drift.shift)
            st.text(drift.sentence(), width="stretch")
        if any(tally.n for tally in found.tallies):
            left, right = st.columns(2, gap="medium")
            with left:
                what = f"{drift.n:,} by v{found.version} in the last {span.words}"
                st.markdown(f"**Digits** :gray[{what}]")
                mix_bars(found.answered, found.tested, key="answers_mix")
            with right:
                _confidence(found.tallies, span)
        st.caption(
            "Counted are the answers to Draw, to files and to `predict`: the digit and how sure, never a picture. What "
            "other programs are answered is not seen here."
        )
        with st.expander("How the mix is judged"):
            st.markdown(
                "The digits that this version answered are held against those that it answered on its test set, by "
                f"Pearson's chi-square test. From {FEWEST} answers on (the rarest digit is then expected more than "
                f"5 times, Cochran 1954), the mix counts as shifted when chance would explain the difference less "
                f"often than once in {1 / ALPHA:.0f} times **and** the population stability index is over {SMALL:g}; "
                f"from {LARGE:g} on it is called very different (Siddiqi 2006). People who try the drawing page do not "
                "draw like a test set: a shift says that the measured accuracy is of other questions, not that the "
                "model is wrong."
            )


def _confidence(tallies: Sequence[Tally], span: Span) -> None:
    now = datetime.now(UTC)
    steps: dict[datetime, Tally] = {}
    for tally in tallies:
        steps[tally.at] = steps[tally.at].plus(tally) if tally.at in steps else tally
    asked = [tally for tally in steps.values() if tally.n]
    time_chart(
        {
            "mean": [Moment(tally.at + span.step, 100 * tally.confidence / tally.n) for tally in asked],
            f"answers below {UNSURE_BELOW:.0%}": [
                Moment(tally.at + span.step, 100 * tally.unsure / tally.n) for tally in asked
            ],
        },
        key="answers_confidence",
        title="Confidence",
        unit="%",
        span=(now - span.length, now),
        step=span.step,
        top=100,
        height=220,
    )
