"""One model version: how good it is, where it came from, and whether it may ship."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from app import navigation, queries, theme
from app.components.command_line import command_line
from app.components.figures import Figure, figures
from app.components.plain_text import escaped
from app.components.relative_time import relative_time
from app.components.status_badge import status_badge
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from backend.domain.evaluation import Evaluation, Performance
from backend.domain.identity import Role
from backend.domain.registry import LONGEST_COMMENT, Approval, Decision, ModelVersion

_SHOWN: Final = 3


def version_detail(version: ModelVersion) -> None:
    with theme.card("version"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader(f"Version {version.version}", anchor=False, width="content")
            status_badge(version.approval)
        if version.evaluation is None:
            st.caption("Not evaluated.")
        else:
            _evaluation(version.evaluation, version.size_bytes)
        with st.container(horizontal=True, vertical_alignment="center"):
            relative_time(version.created_at, before="registered")
            st.badge(version.sha256[:12], icon=":material/fingerprint:", color="gray", help="SHA-256 of the archive")
            if version.source_job:
                st.page_link(
                    navigation.JOBS.file,
                    label=version.source_job,
                    icon=navigation.JOBS.icon,
                    query_params={"job": version.source_job},
                )


def _evaluation(evaluation: Evaluation, size_bytes: int) -> None:
    drawings = evaluation.freehand
    entries = [Figure("Accuracy", f"{evaluation.accuracy:.2%}", "Of the test images, by the exported file.")]
    if drawings is not None:
        styles = f"Of {drawings.n:,} made-up drawings in styles that no training saw, right."
        entries.append(Figure("Drawings", f"{drawings.accuracy:.2%}", styles))
    entries.append(Figure("Loss", f"{evaluation.loss:.4f}", "Cross-entropy on the test images, in nats."))
    entries.append(Figure("Archive", f"{size_bytes / 1024:,.0f} KiB", "As it is stored and shipped."))
    if evaluation.performance is not None:
        entries += _performance(evaluation.performance)
    figures(entries, key="version")
    images = f"{evaluation.n:,} test images of {escaped(evaluation.dataset)} ({evaluation.test_sha256[:12]})"
    st.caption(f"Recall by digit, on the {images}")
    recall = evaluation.per_class_recall
    lowest = min(range(10), key=recall.__getitem__)
    st.echarts_chart(
        {
            "animation": False,
            "grid": {"left": 8, "right": 8, "top": 24, "bottom": 4, "containLabel": True},
            "xAxis": {"type": "category", "data": [str(digit) for digit in range(10)], "axisTick": {"show": False}},
            # From 80 %: the differences that decide lie in the last percents. A worse model widens the axis.
            "yAxis": {"type": "value", "min": min(80, int(min(recall) * 10) * 10), "max": 100, "splitNumber": 2},
            "series": [
                {
                    "type": "bar",
                    "data": [round(100 * share, 2) for share in recall],
                    "barMaxWidth": 28,
                    "itemStyle": {"borderRadius": [4, 4, 0, 0]},
                    "label": {"show": True, "position": "top", "fontSize": 10, "formatter": "{c}"},
                }
            ],
        },
        key="version_recall",
        height=170,
        alt=f"Recall in percent by digit: {', '.join(f'{d}: {100 * share:.1f}' for d, share in enumerate(recall))}. "
        f"Lowest is {lowest}.",
    )


def _performance(performance: Performance) -> list[Figure]:
    """What the exported file is, and how fast it ran where it was trained."""
    where = "with one thread on the machine that trained it, without a server."
    size = f"Of the exported file, which has {performance.file_bytes / 1024:,.0f} KiB."
    latency = f"Median of one image, {where} 99 of 100 took less than {performance.latency_p99_ms:.3g} ms."
    return [
        Figure("Precision", performance.precision, size),
        Figure("Latency", f"{performance.latency_p50_ms:.3g} ms", latency),
        Figure("Throughput", f"{performance.images_per_second:,.0f}/s", f"Images per second in batches of 64, {where}"),
    ]


def decision_card(version: ModelVersion) -> None:
    """Approve, reject or comment; what was said is kept, with who and when."""
    with theme.card("decision", f"Decide about version {version.version}"):
        _decision(version)


def _decision(version: ModelVersion) -> None:
    number = version.version
    may_not_decide = refusal(Role.APPROVER, "decide about versions")
    may_not_comment = refusal(Role.OPERATOR, "comment on versions")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        comment = st.text_input(
            "Comment",
            key=f"version_comment_{number}",
            placeholder="why",
            max_chars=LONGEST_COMMENT,
            width=260,
            live=True,
            disabled=bool(may_not_comment),
            help=may_not_comment or None,
        ).strip()
        for approval, verb, icon in (
            (Approval.APPROVED, "Approve", ":material/verified:"),
            (Approval.REJECTED, "Reject", ":material/cancel:"),
        ):
            decided = version.approval is approval
            if st.button(
                verb,
                key=f"version_{verb.lower()}",
                icon=icon,
                disabled=bool(may_not_decide) or decided,
                help=may_not_decide or (f"It is {approval.value.lower()}." if decided else None),
            ):
                with shown(f"{verb} version {number}"):
                    backend().registration.decide(number, approval, actor=actor(), comment=comment)
                    queries.forget_stage()
                    st.rerun()
        if st.button(
            "Only comment",
            key="version_comment",
            icon=":material/chat:",
            disabled=bool(may_not_comment) or not comment,
            help=may_not_comment or (None if comment else "Write the comment first."),
        ):
            with shown(f"Comment on version {number}"):
                backend().registration.comment(number, comment, actor=actor())
                queries.forget_stage()
                st.rerun()
    _said(queries.decisions(number))
    command_line(
        f"python -m backend models approve {number} --comment 'why'\n"
        f"python -m backend models reject {number} --comment 'why'\n"
        f"python -m backend models comment {number} --comment 'what'"
    )


def _said(decisions: Sequence[Decision]) -> None:
    """The newest three, the others in a fold."""
    for decision in decisions[:_SHOWN]:
        _one(decision)
    if decisions[_SHOWN:]:
        with st.expander(f"{len(decisions) - _SHOWN} earlier", type="compact"):
            for decision in decisions[_SHOWN:]:
                _one(decision)


def _one(decision: Decision) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        status_badge(decision.kind)
        relative_time(decision.at, before=f"{decision.by},")
        if decision.comment:
            st.text(decision.comment, width="stretch")
