"""What serves beside what would: the numbers that a deployment changes."""

from __future__ import annotations

import streamlit as st

from app.components.plain_table import plain_table
from backend.domain.promotion import DeploymentPlan
from backend.domain.registry import ModelVersion


def plan_difference(plan: DeploymentPlan, *, key: str) -> None:
    """Nothing where nothing serves, or the very same: then there is nothing to hold against each other."""
    now, then = plan.incumbent, plan.version
    if plan.serving is None or plan.changes_nothing:
        return
    if now is None:
        st.caption(f"The registry does not know what {plan.stage.value} serves: there is nothing to compare with.")
        return
    mine, theirs = _numbers(then), _numbers(now)
    plain_table(
        ["", f"v{now.version} now", f"v{then.version}"],
        [(name, theirs[name], mine[name]) for name in mine],
        key=key,
        alt=f"Version {now.version}, which {plan.stage.value} serves, beside version {then.version}",
    )
    if now.evaluation and then.evaluation and now.evaluation.test_sha256 != then.evaluation.test_sha256:
        st.caption("The two were evaluated on different test sets: their accuracies cannot be compared.")


def _numbers(version: ModelVersion) -> dict[str, str]:
    evaluation = version.evaluation
    drawings = evaluation.freehand if evaluation else None
    speed = evaluation.performance if evaluation else None
    return {
        "Accuracy": f"{evaluation.accuracy:.2%}" if evaluation else "–",
        "Worst digit": f"{min(evaluation.per_class_recall):.1%}" if evaluation else "–",
        "Drawings": f"{drawings.accuracy:.2%}" if drawings else "–",
        "Latency": f"{speed.latency_p50_ms:.3g} ms" if speed else "–",
        "Precision": speed.precision if speed else "–",
        "Archive": f"{version.size_bytes / 1024:,.0f} KiB",
    }
