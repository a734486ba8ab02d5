"""Steps as JSON documents, the way deployments and operations keep them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backend.domain.steps import Step, StepStatus


def step_document(step: Step) -> dict[str, str | None]:
    return {
        "name": step.name,
        "status": step.status.value,
        "detail": step.detail,
        "started_at": step.started_at.isoformat() if step.started_at else None,
        "ended_at": step.ended_at.isoformat() if step.ended_at else None,
    }


def read_step(document: dict[str, Any]) -> Step:
    started, ended = document["started_at"], document["ended_at"]
    return Step(
        name=document["name"],
        status=StepStatus(document["status"]),
        detail=document["detail"],
        started_at=datetime.fromisoformat(started) if started else None,
        ended_at=datetime.fromisoformat(ended) if ended else None,
    )
