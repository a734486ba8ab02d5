"""The answer: each version against the base in a sentence, and how far the differences reach."""

from __future__ import annotations

import streamlit as st

from app import theme
from app.comparison_figures import decided_first, differences
from app.components.difference_plot import difference_plot
from app.components.status_badge import status_badge
from backend.domain.comparison import Comparison
from backend.domain.statistics import Finding

_MANY = 6
"""More sentences than this are scrolled."""


def verdict_card(found: Comparison) -> None:
    """Nothing where no version could be compared."""
    entries = decided_first(found)
    if not entries or found.data is None:
        return
    with theme.card("verdict"), st.container(key="compare_verdict"):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            st.subheader(f"Against {found.base.name}", anchor=False)
            with st.container(height=360 if len(entries) > _MANY else "content", border=False, key="verdicts"):
                for entry in entries:
                    if entry.verdict is not None:
                        with st.container(key=f"verdict_{entry.version.version}", gap="xsmall"):
                            status_badge(entry.verdict.finding)
                            st.text(entry.verdict.sentence(entry.name, found.base.name))
            st.caption(
                f"On the same {found.data.n:,} images of {found.data.data_name} ({found.data.data_sha256[:12]}), each "
                "archive run by this product. Exact McNemar test at 5 %"
                + (", corrected by Holm for all that are compared here" if len(entries) > 1 else "")
                + "; the intervals are Tango's, at 95 %."
            )
        with right:
            difference_plot(
                sorted(differences(found), key=lambda difference: -difference.points),
                base=found.base.name,
                margin=100 * found.margin,
                colours={
                    Finding.BETTER.value: theme.named("green"),
                    Finding.WORSE.value: theme.named("red"),
                    Finding.AS_GOOD.value: theme.named("blue"),
                    Finding.CANNOT_TELL.value: theme.named("orange"),
                },
                key="compare_differences",
            )
            st.caption(f"The band is the margin, {100 * found.margin:g} points: what lies in it is as good.")
