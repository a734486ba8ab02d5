"""What `--json` prints and how tables look: the shape of every answer, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from backend.domain.evaluation import Evaluation
from backend.domain.evidence import Compared, Evidence
from backend.domain.gates import GateResult, Override
from backend.domain.jobs import Billing, TrainingJob
from backend.domain.loadtest import LoadPlan, LoadResult
from backend.domain.prediction import HardExample
from backend.domain.probing import ProbeStream, Span
from backend.domain.promotion import Deployment
from backend.domain.registry import Decision, ModelVersion
from backend.domain.serving import Endpoint, ServedModel, Stage
from backend.domain.steps import Step
from backend.domain.tuning import Trial, TuningJob
from backend.services.exports import event_document

Document = dict[str, Any]
Answer = tuple[Any, str, int]
"""The JSON document, the text for people, and the exit code."""


def job_document(job: TrainingJob) -> Document:
    return {
        "name": job.name,
        "kind": job.kind.value,
        "status": job.status.value,
        "preset": job.request.preset,
        "hyperparameters": dict(job.request.hyperparameters),
        "requested_by": job.request.requested_by,
        "created_at": time_text(job.created_at),
        "started_at": time_text(job.started_at),
        "ended_at": time_text(job.ended_at),
        "failure_reason": job.failure_reason,
        "progress": job.progress,
        "metrics": dict(job.metrics),
        "notices": list(job.notices),
        "resumed_from": job.request.resumed_from,
        "tuning_job": job.request.tuning_job,
        "archive": job.archive,
        "sha256": job.sha256,
        "run": job.run,
        "compute": asdict(job.request.compute),
        "billing": None if job.billing is None else billing_document(job.billing),
    }


def billing_document(billing: Billing) -> Document:
    """`cost` is null where no price is known."""
    return {**asdict(billing), "cost": billing.cost, "saved": billing.saved}


def tuning_document(job: TuningJob) -> Document:
    request = job.request
    return {
        "name": job.name,
        "kind": job.kind.value,
        "status": job.status.value,
        "preset": request.preset,
        "hyperparameters": dict(request.hyperparameters),
        "space": [parameter.text for parameter in request.space],
        "strategy": request.strategy.value,
        "objective": request.objective,
        "direction": request.direction.value,
        "max_jobs": request.max_jobs,
        "max_parallel": request.max_parallel,
        "early_stopping": request.early_stopping,
        "seed": request.seed,
        "warm_start_from": request.warm_start_from,
        "requested_by": request.requested_by,
        "created_at": time_text(job.created_at),
        "started_at": time_text(job.started_at),
        "ended_at": time_text(job.ended_at),
        "failure_reason": job.failure_reason,
        "progress": job.progress,
        "metrics": {} if job.best_trial is None else {request.objective: job.best_trial.value},
        "notices": list(job.notices),
        "resumed_from": request.resumed_from,
        "epochs_saved": job.epochs_saved,
        "best_trial": None if job.best_trial is None else trial_document(job.best_trial),
        "trials": [trial_document(trial) for trial in job.trials],
    }


def trial_document(trial: Trial) -> Document:
    return {
        "number": trial.number,
        "job": trial.job,
        "status": trial.status.value,
        "value": trial.value,
        "hyperparameters": dict(trial.hyperparameters),
        "stopped_early": trial.stopped_early,
        "epochs": trial.epochs,
        "planned_epochs": trial.planned_epochs,
        "failure_reason": trial.failure_reason,
    }


def version_document(version: ModelVersion) -> Document:
    return {
        "version": version.version,
        "sha256": version.sha256,
        "archive": version.archive,
        "size_bytes": version.size_bytes,
        "approval": version.approval.value,
        "approval_by": version.approval_by,
        "approval_comment": version.approval_comment,
        "source_job": version.source_job,
        "registered_by": version.registered_by,
        "created_at": time_text(version.created_at),
        "evaluation": None if version.evaluation is None else evaluation_document(version.evaluation),
    }


def decision_document(decision: Decision) -> Document:
    return {
        "kind": decision.kind.value,
        "by": decision.by,
        "at": time_text(decision.at),
        "comment": decision.comment,
    }


def evaluation_document(evaluation: Evaluation) -> Document:
    return {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "per_class_recall": list(evaluation.per_class_recall),
        "confusion": [list(row) for row in evaluation.confusion],
        "test_sha256": evaluation.test_sha256,
        "dataset": evaluation.dataset,
        "n": evaluation.n,
        "freehand": None if evaluation.freehand is None else asdict(evaluation.freehand),
        "performance": None if evaluation.performance is None else asdict(evaluation.performance),
        "measured_at": time_text(evaluation.measured_at),
    }


def served_document(served: ServedModel | None) -> Document | None:
    return None if served is None else {"version": served.version, "sha256": served.sha256}


def endpoint_document(endpoint: Endpoint) -> Document:
    return {
        "stage": endpoint.stage.value,
        "name": endpoint.name,
        "status": endpoint.status.value,
        "wanted": served_document(endpoint.wanted),
        "served": served_document(endpoint.served),
        "url": endpoint.url,
        "since": time_text(endpoint.since),
        "detail": endpoint.detail,
        "drift": [asdict(difference) for difference in endpoint.drift],
        "external": endpoint.external,
        "hosted": dict(endpoint.hosted),
    }


def load_document(stage: Stage, plan: LoadPlan, result: LoadResult) -> Document:
    return {
        "stage": stage.value,
        "concurrency": plan.concurrency,
        "seconds": plan.seconds,
        "requests": result.requests,
        "failed": result.failed,
        "failures": dict(result.failures),
        "versions": list(result.versions),
        "per_second": round(result.per_second, 1),
        "p50_ms": None if result.p50_ms is None else round(result.p50_ms, 3),
        "p99_ms": None if result.p99_ms is None else round(result.p99_ms, 3),
    }


def deployment_document(deployment: Deployment) -> Document:
    return {
        "deployment": deployment.id,
        "stage": deployment.stage.value,
        "kind": deployment.kind.value,
        "outcome": deployment.outcome.value,
        "version": deployment.version,
        "previous": served_document(deployment.previous),
        "requested_by": deployment.requested_by,
        "started_at": time_text(deployment.started_at),
        "ended_at": time_text(deployment.ended_at),
        "seconds": (deployment.ended_at - deployment.started_at).total_seconds() if deployment.ended_at else None,
        "restored_seconds": None if deployment.restored_in is None else deployment.restored_in.total_seconds(),
        "steps": steps_document(deployment.steps),
        "gates": [gate_document(gate) for gate in deployment.gates],
        "override": override_document(deployment.override),
        "error": deployment.error,
        "hint": deployment.hint,
        "failed_requests": None if deployment.probe is None else deployment.probe.failed,
        "probe": None if deployment.probe is None else probe_document(deployment.probe),
        "commit": deployment.origin.commit,
        "run_url": deployment.origin.run_url,
        "correlation": deployment.correlation,
    }


def evidence_document(evidence: Evidence) -> Document:
    decision = evidence.decision
    return {
        **deployment_document(evidence.deployment),
        "sha256": evidence.deployment.sha256,
        "model": None if evidence.version is None else version_document(evidence.version),
        "previous_model": None if evidence.previous is None else version_document(evidence.previous),
        "decision": None
        if decision is None
        else {
            "verb": decision.verb,
            "by": decision.by,
            "at": time_text(decision.at),
            "comment": decision.comment,
        },
        "comparisons": [_comparison_document(compared) for compared in evidence.comparisons],
        "events": [event_document(event) for event in evidence.events],
        "at": time_text(evidence.at),
    }


def _comparison_document(compared: Compared) -> Document:
    verdict = compared.verdict
    return {
        "data": compared.kind.value,
        "data_sha256": compared.data_sha256,
        "n": verdict.pair.n,
        "fixed": verdict.pair.fixed,
        "broken": verdict.pair.broken,
        "p_value": verdict.p_value,
        "ci": list(verdict.interval),
        "verdict": verdict.finding.value,
        "images": {
            name: [
                {"place": image.place, "label": image.label, "before": image.before, "after": image.after}
                for image in images
            ]
            for name, images in (("fixed", compared.fixed), ("broken", compared.broken))
        },
    }


def probe_document(probe: ProbeStream) -> Document:
    return {
        "requests": probe.requests,
        "failed": probe.failed,
        "failures": dict(probe.failures),
        "versions": list(probe.versions),
        "per_second": probe.per_second,
        **{name: _span_document(span) for name, span in probe.spans.items()},
    }


def _span_document(span: Span) -> Document:
    return {
        "requests": span.requests,
        "failed": span.failed,
        "p50_ms": None if span.p50_ms is None else round(span.p50_ms, 3),
        "p99_ms": None if span.p99_ms is None else round(span.p99_ms, 3),
    }


def gate_document(gate: GateResult) -> Document:
    return {
        "name": gate.name,
        "status": gate.status.value,
        "observed": gate.observed,
        "threshold": gate.threshold,
        "unit": gate.unit,
        "reason": gate.reason,
        "hint": gate.hint,
    }


def override_document(override: Override | None) -> Document | None:
    if override is None:
        return None
    return {"by": override.by, "reason": override.reason, "gates": list(override.gates)}


def steps_document(steps: Sequence[Step]) -> list[Document]:
    return [{"name": step.name, "status": step.status.value, "detail": step.detail} for step in steps]


def example_document(example: HardExample) -> Document:
    return {
        "id": example.id,
        "label": example.label,
        "predicted": example.predicted,
        "version": example.version,
        "stage": example.stage.value,
        "at": time_text(example.at),
        "by": example.by,
    }


def time_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def table(rows: Sequence[Mapping[str, object]], empty: str) -> str:
    """The rows under their column names, aligned; `empty` when there are none. Control characters are not printed."""
    if not rows:
        return empty
    columns = list(rows[0])
    lines = [columns, *([_printable(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _printable(value: object) -> str:
    return neutral("-" if value is None or value == "" else str(value)).replace("\n", " ").replace("\t", " ")


def neutral(text: str) -> str:
    """Names, reasons and logs are untrusted: an escape sequence in one must not reach the terminal."""
    return "".join(character if character.isprintable() or character in "\n\t" else " " for character in text)
