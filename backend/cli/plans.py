"""How a plan and its gates are told: `promote --plan`, and the gates of a deployment."""

from __future__ import annotations

from collections.abc import Sequence

from backend.cli.documents import Document, gate_document, served_document, table
from backend.domain.gates import GateResult, blocking
from backend.domain.promotion import STEPS, DeploymentPlan
from backend.domain.serving import ServedModel


def plan_document(plan: DeploymentPlan, gates: Sequence[GateResult]) -> Document:
    """`seconds` is what it usually takes, None before the stage's first deployment."""
    return {
        "stage": plan.stage.value,
        "version": plan.version.version,
        "sha256": plan.version.sha256,
        "served": served_document(plan.serving),
        "changes_nothing": plan.changes_nothing,
        "steps": list(STEPS),
        "seconds": None if plan.usually is None else round(plan.usually.total_seconds(), 1),
        "hourly_cost": plan.hourly_cost,
        "rollback_to": served_document(plan.rollback_to),
        "gates": [gate_document(gate) for gate in gates],
        "blocked": bool(blocking(gates)),
    }


def plan_text(plan: DeploymentPlan) -> str:
    takes = "unknown: the first one" if plan.usually is None else f"{plan.usually.total_seconds():.0f} s"
    cost = f"${plan.hourly_cost:.2f} an hour" if plan.hourly_cost else "none"
    if plan.hourly_cost is None:
        cost = "price unknown"
    lines = {
        "serves": _name(plan.serving),
        "would serve": f"version {plan.version.version} ({plan.version.sha256[:12]})",
        "steps": ", ".join(STEPS),
        "usually takes": takes,
        "cost": cost,
        "rolls back to": _name(plan.rollback_to),
    }
    return "\n".join(f"{name:<14} {value}" for name, value in lines.items())


def gates_table(gates: Sequence[GateResult]) -> str:
    rows = [
        {
            "gate": gate.name,
            "status": gate.status.value,
            "observed": _number(gate.observed, gate.unit),
            "threshold": _number(gate.threshold, gate.unit),
            "reason": gate.reason,
        }
        for gate in gates
    ]
    return table(rows, "no gates")


def _number(value: float | str | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:g} {unit}".strip() if isinstance(value, float | int) else value


def _name(served: ServedModel | None) -> str:
    return f"version {served.version} ({served.sha256[:12]})" if served else "nothing"
