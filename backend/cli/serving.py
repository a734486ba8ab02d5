"""quickstart, promote, rollback, predict, doctor, stop."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress

from backend.assembly import Backend
from backend.cli.documents import (
    Answer,
    deployment_document,
    served_document,
    steps_document,
    table,
)
from backend.cli.pictures import read_picture
from backend.cli.plans import gates_table, plan_document, plan_text
from backend.domain.capabilities import Feature
from backend.domain.jobs import TrainingJob
from backend.domain.operations import OperationStatus
from backend.domain.promotion import Deployment, DeploymentPlan
from backend.domain.serving import Stage
from backend.domain.tuning import StopMode, TuningJob
from backend.errors import StageBusyError, WrongStateError

_STOP_SECONDS = 30


def promote(backend: Backend, options: Namespace) -> Answer:
    stage = Stage(options.to)
    if options.plan:
        return _planned(backend, backend.promotion.plan(stage, options.version))
    deployment = backend.promotion.promote(
        stage,
        options.version,
        actor=backend.actor,
        expected=options.expected,
        deployment_id=options.deployment,
        override=options.override,
    )
    return deployed(backend, deployment)


def _planned(backend: Backend, plan: DeploymentPlan) -> Answer:
    """Exit code 0 also where a gate would refuse: planning is looking."""
    gates = backend.gates.evaluate(plan)
    return plan_document(plan, gates), f"{plan_text(plan)}\n{gates_table(gates)}", 0


def rollback(backend: Backend, options: Namespace) -> Answer:
    deployment = backend.promotion.roll_back(
        Stage(options.stage), actor=backend.actor, expected=options.expected, deployment_id=options.deployment
    )
    return deployed(backend, deployment)


def quickstart(backend: Backend, options: Namespace) -> Answer:
    operation_id = options.operation or backend.quickstart.next_id()
    operation = backend.quickstart.run(operation_id, actor=backend.actor, preset=options.preset)
    seconds = (operation.ended_at - operation.started_at).total_seconds() if operation.ended_at else None
    document = {
        "operation": operation.id,
        "status": operation.status.value,
        "job": operation.result.get("job"),
        "version": operation.result.get("version"),
        "staging": operation.result.get("staging"),
        "prod": operation.result.get("prod"),
        "seconds": seconds,
        "steps": steps_document(operation.steps),
        "error": operation.error,
        "hint": operation.hint,
    }
    rows = [{"step": step.name, "status": step.status.value, "detail": step.detail} for step in operation.steps]
    good = operation.status is OperationStatus.COMPLETED
    return document, table(rows, "") + f"\n{operation.status.value} in {seconds:.0f} s", 0 if good else 1


def predict(backend: Backend, options: Namespace) -> Answer:
    stage = Stage(options.stage)
    seen = [(path, read_picture(path)) for path in options.file]
    predictions = [(path, one.inverted, backend.prediction.predict(stage, one.pixels)) for path, one in seen]
    documents = [
        {
            "file": str(path),
            "label": prediction.label,
            "probabilities": list(prediction.probabilities),
            "latency_ms": round(prediction.latency_ms, 3),
            "version": prediction.version,
            "inverted": inverted,
        }
        for path, inverted, prediction in predictions
    ]
    rows = [
        {
            "file": path,
            "label": prediction.label,
            "probability": f"{max(prediction.probabilities):.3f}",
            "latency": f"{prediction.latency_ms:.1f} ms",
            "version": prediction.version,
            "": "inverted: its ink was dark" if inverted else "",
        }
        for path, inverted, prediction in predictions
    ]
    return documents, table(rows, ""), 0


def doctor(backend: Backend, options: Namespace) -> Answer:
    checks = backend.doctor.examine()
    ok = all(check.ok for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<20} {check.detail}")
        if check.fix:
            lines.append(f"      {'':<20} fix: {check.fix}")
    document = {
        "ok": ok,
        "checks": [
            {"name": c.name, "ok": c.ok, "detail": c.detail, "fix": c.fix, "seconds": round(c.seconds, 3)}
            for c in checks
        ],
    }
    return document, "\n".join(lines), 0 if ok else 1


def deployed(backend: Backend, deployment: Deployment) -> Answer:
    """What `promote` and its like answer: the record, and what serves now."""
    served = backend.serving.describe(deployment.stage).served
    document = {**deployment_document(deployment), "served": served_document(served)}
    text = f"{deployment.id}: {deployment.outcome.value}"
    if deployment.probe is not None:
        text += f", {deployment.probe.failed} of {deployment.probe.requests} probe requests failed"
    if deployment.gates:
        text = f"{gates_table(deployment.gates)}\n{text}"
    if word := deployment.override:
        text += f"\n{', '.join(word.gates)} overridden by {word.by}: {word.reason}"
    if deployment.error:
        text += f"\n{deployment.error}" + (f"\n  next: {deployment.hint}" if deployment.hint else "")
    return document, text, 0 if deployment.outcome.is_good else 1


def stop(backend: Backend, options: Namespace) -> Answer:
    """Ask every unfinished job of this machine to stop, let operations and deployments end, suspend the endpoints.

    Waits 30 s at most and says what still runs then. What does not run on this machine goes on, and is said to.
    """
    deadline = time.monotonic() + _STOP_SECONDS
    # A tuning job goes first: it would launch the next trial in place of a stopped one.
    searches = [job.name for job in _searches_here(backend) if job.status.can_stop]
    for name in searches:
        with suppress(WrongStateError):
            backend.searching.stop(name, StopMode.NOW, actor=backend.actor)
    stopped = [job.name for job in _trainings_here(backend) if job.status.can_stop]
    for name in stopped:
        with suppress(WrongStateError):  # it has just ended by itself
            backend.launching.stop(name, actor=backend.actor)
    # A quick start would go on and deploy to what was suspended: operations go first.
    while backend.operations.running() and time.monotonic() < deadline:
        time.sleep(0.2)
    busy = [stage.value for stage in Stage if not _suspended(backend, stage, deadline)]
    while time.monotonic() < deadline and _unfinished(backend):
        time.sleep(0.5)
    left = _unfinished(backend)
    stopped = [*searches, *stopped]
    operations = list(backend.operations.running())
    elsewhere = _elsewhere(backend)
    kinds = {"jobs": f"{len(stopped)} jobs stopped", "endpoints": "endpoints suspended"}
    done = [words for kind, words in kinds.items() if kind not in elsewhere]
    text = ", ".join(done) or "Nothing was left running on this machine"
    if still := [*left, *operations, *(f"the deployment to {stage}" for stage in busy)]:
        text += f"; still running: {', '.join(still)}"
    text += "".join(f"\n{kind} were left as they are: {reason}" for kind, reason in elsewhere.items())
    document = {"jobs": stopped, "left": left, "operations": operations, "busy": busy, "elsewhere": elsewhere}
    return document, text, 1 if still else 0


def _elsewhere(backend: Backend) -> dict[str, str]:
    """What this machine does not run and so does not stop, each with the platform's reason."""
    reasons = {
        "jobs": backend.training.unsupported.get(Feature.END_WITH_MACHINE, ""),
        "endpoints": backend.serving.unsupported.get(Feature.SUSPEND, ""),
    }
    return {kind: reason for kind, reason in reasons.items() if reason}


def _trainings_here(backend: Backend) -> Sequence[TrainingJob]:
    return [] if Feature.END_WITH_MACHINE in backend.training.unsupported else backend.training.list_jobs()


def _searches_here(backend: Backend) -> Sequence[TuningJob]:
    return [] if Feature.END_WITH_MACHINE in backend.tuning.unsupported else backend.tuning.list_jobs()


def _suspended(backend: Backend, stage: Stage, deadline: float) -> bool:
    """Suspend the stage once nothing is being deployed to it; False when the deadline came first.

    Where endpoints do not run on this machine there is nothing to stop.
    """
    if Feature.SUSPEND in backend.serving.unsupported:
        return True
    while True:
        try:
            backend.endpoints.suspend(stage, actor=backend.actor)
        except StageBusyError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.2)
        else:
            return True


def _unfinished(backend: Backend) -> list[str]:
    jobs: list[TrainingJob | TuningJob] = [*_trainings_here(backend), *_searches_here(backend)]
    return [job.name for job in jobs if not job.status.is_terminal]
