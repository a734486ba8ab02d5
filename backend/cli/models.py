"""register, models."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress

from backend.assembly import Backend
from backend.cli.comparing import tell
from backend.cli.documents import Answer, decision_document, table, version_document
from backend.domain.registry import Approval, ModelVersion
from backend.errors import DigitsError, NotFoundError, WrongStateError


def register(backend: Backend, options: Namespace) -> Answer:
    """Register and evaluate. One that could not be evaluated is a version all the same: the trouble is told."""
    if options.archive:
        version = backend.registration.register_archive(options.archive, actor=backend.actor)
    else:
        try:
            version = backend.registration.register_job(options.job, actor=backend.actor)
        except NotFoundError:
            _refuse_tuning_job(backend, options.job)
            raise
    trouble = ""
    try:
        version = backend.evaluating.evaluate(version.version, actor=backend.actor, say=tell)
    except DigitsError as error:
        trouble = error.message
        tell(f"Registered, and not evaluated: {trouble}\n  next: python -m backend evaluate {version.version}")
    return {**version_document(version), "evaluation_error": trouble}, _line(version), 0


def list_versions(backend: Backend, options: Namespace) -> Answer:
    versions = backend.registry.list_versions()
    rows = [
        {
            "version": version.version,
            "approval": version.approval.value,
            "accuracy": f"{version.evaluation.accuracy:.4f}" if version.evaluation else "",
            "dataset": version.evaluation.dataset if version.evaluation else "",
            "job": version.source_job,
            "sha256": version.sha256[:12],
        }
        for version in versions
    ]
    empty = "No versions yet. Register a completed job: python -m backend register JOB"
    return [version_document(version) for version in versions], table(rows, empty), 0


def show(backend: Backend, options: Namespace) -> Answer:
    return _told(backend, backend.registry.get(options.version))


def approve(backend: Backend, options: Namespace) -> Answer:
    return _decide(backend, options, Approval.APPROVED)


def reject(backend: Backend, options: Namespace) -> Answer:
    return _decide(backend, options, Approval.REJECTED)


def comment(backend: Backend, options: Namespace) -> Answer:
    backend.registration.comment(options.version, options.comment, actor=backend.actor)
    return _told(backend, backend.registry.get(options.version))


def _decide(backend: Backend, options: Namespace, approval: Approval) -> Answer:
    version = backend.registration.decide(options.version, approval, actor=backend.actor, comment=options.comment)
    return _told(backend, version)


def _told(backend: Backend, version: ModelVersion) -> Answer:
    """The version and what was said about it, newest first."""
    decisions = backend.registry.decisions(version.version)
    lines = [
        f"  {decision.at:%Y-%m-%d %H:%M:%S}Z  {decision.kind.value:<8}  {decision.by}"
        + (f": {decision.comment}" if decision.comment else "")
        for decision in decisions
    ]
    document = {**version_document(version), "decisions": [decision_document(decision) for decision in decisions]}
    return document, "\n".join([_line(version), *lines]), 0


def _refuse_tuning_job(backend: Backend, name: str) -> None:
    """A search has no model of its own: raises `WrongStateError` that names the trial which has."""
    with suppress(NotFoundError):
        best = backend.tuning.describe(name).best_trial
        hint = f"Register its best trial: python -m backend register {best.job}" if best else "No trial has completed."
        raise WrongStateError(f"'{name}' is a tuning job: it has no model of its own.", hint=hint)


def _line(version: ModelVersion) -> str:
    accuracy = f"accuracy {version.evaluation.accuracy:.4f}" if version.evaluation else "not evaluated"
    return f"version {version.version}: {version.approval.in_words}, {accuracy}, {version.sha256[:12]}"
