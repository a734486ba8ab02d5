"""What gates said, as JSON documents, the way deployments keep it."""

from __future__ import annotations

from typing import Any

from backend.domain.gates import GateResult, GateStatus, Override


def gate_document(result: GateResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "status": result.status.value,
        "observed": result.observed,
        "threshold": result.threshold,
        "unit": result.unit,
        "reason": result.reason,
        "hint": result.hint,
        "overridable": result.overridable,
    }


def read_gate(document: dict[str, Any]) -> GateResult:
    return GateResult(
        name=document["name"],
        status=GateStatus(document["status"]),
        observed=document["observed"],
        threshold=document["threshold"],
        unit=document["unit"],
        reason=document["reason"],
        hint=document["hint"],
        overridable=document["overridable"],
    )


def override_document(override: Override) -> dict[str, Any]:
    return {"by": override.by, "reason": override.reason, "gates": list(override.gates)}


def read_override(document: dict[str, Any]) -> Override:
    return Override(by=document["by"], reason=document["reason"], gates=tuple(document["gates"]))
