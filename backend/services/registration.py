"""From a finished job to a model version, and the decision about it."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from backend.domain.evaluation import Evaluation
from backend.domain.identity import Actor, Role
from backend.domain.jobs import JobStatus
from backend.domain.registry import LONGEST_COMMENT, Approval, ModelVersion
from backend.errors import ArchiveRejectedError, InvalidInputError, WrongStateError
from backend.ports.evaluator import ArchiveEvaluator
from backend.ports.registry import ModelRegistry
from backend.ports.training import TrainingPlatform
from backend.services.auditing import Auditor

_EVALUATION_LIMIT_BYTES: Final = 1_000_000


class Registration:
    def __init__(
        self, training: TrainingPlatform, registry: ModelRegistry, evaluator: ArchiveEvaluator, auditor: Auditor
    ) -> None:
        self._training = training
        self._registry = registry
        self._evaluator = evaluator
        self._auditor = auditor

    def register_job(self, name: str, *, actor: Actor) -> ModelVersion:
        """Register the archive of a completed job with its evaluation; registering twice gives the same version."""
        self._auditor.require(
            actor, Role.OPERATOR, "register a model version", action="register", subject=f"job {name}"
        )
        job = self._training.describe(name)
        if job.status is not JobStatus.COMPLETED:
            raise WrongStateError(
                f"Training job '{name}' cannot be registered: it is {job.status.value}.",
                hint="Only a Completed job has a model.",
            )
        with self._auditor.audited(actor, "register", f"job {name}") as effect:
            version = self._registry.register(
                self._training.fetch_archive(job),
                sha256=job.sha256,
                source_job=name,
                evaluation=read_evaluation(self._training.fetch_output(job)),
                registered_by=actor.name,
            )
            effect.after = {"version": version.version, "sha256": version.sha256}
        return version

    def register_archive(self, archive: Path, *, actor: Actor) -> ModelVersion:
        """Register an archive made elsewhere, without an evaluation; the same bytes are one version.

        Raises `PermissionDeniedError` below operator, `NotFoundError` when there is no such file, and
        `ArchiveRejectedError` for anything that a stage could not serve: nothing of it is kept then.
        """
        self._auditor.require(
            actor, Role.OPERATOR, "register a model version", action="register", subject=f"archive {archive.name}"
        )
        with self._auditor.audited(actor, "register", f"archive {archive.name}") as effect:
            sha256 = self._evaluator.examine(archive)
            version = self._registry.register(
                archive, sha256=sha256, source_job="", evaluation=None, registered_by=actor.name
            )
            effect.after = {"version": version.version, "sha256": version.sha256}
        return version

    def decide(self, number: int, approval: Approval, *, actor: Actor, comment: str = "") -> ModelVersion:
        """Approve or reject a version; deciding the same again changes nothing.

        Raises `PermissionDeniedError` below approver, `NotFoundError`, `InvalidInputError` for a comment that is too
        long. Every decision stays readable: `ModelRegistry.decisions`.
        """
        verb = "approve" if approval is Approval.APPROVED else "reject"
        subject = f"version {number}"
        self._auditor.require(actor, Role.APPROVER, f"decide about {subject}", action=verb, subject=subject)
        comment = _comment(comment)
        before = self._registry.get(number)
        if before.approval is approval and before.approval_comment == comment:
            return before
        with self._auditor.audited(actor, verb, subject) as effect:
            effect.before = {"approval": before.approval.value}
            version = self._registry.set_approval(number, approval, by=actor.name, comment=comment)
            effect.after = {"approval": version.approval.value, "comment": comment}
        return version

    def comment(self, number: int, text: str, *, actor: Actor) -> None:
        """Keep what somebody has to say about a version; its approval stays as it is.

        Raises `PermissionDeniedError` below operator, `NotFoundError`, `InvalidInputError` without a text.
        """
        self._auditor.require(
            actor, Role.OPERATOR, f"comment on version {number}", action="comment", subject=f"version {number}"
        )
        text = _comment(text)
        if not text:
            raise InvalidInputError("The comment is empty; expected a sentence.")
        with self._auditor.audited(actor, "comment", f"version {number}") as effect:
            self._registry.add_comment(number, by=actor.name, comment=text)
            effect.after = {"comment": text}


def _comment(text: str) -> str:
    text = text.strip()
    if len(text) > LONGEST_COMMENT:
        raise InvalidInputError(f"The comment has {len(text)} characters; expected {LONGEST_COMMENT} at most.")
    return text


def read_evaluation(output: Path) -> Evaluation:
    """What a training says of its model in its output.tar.gz; raises `ArchiveRejectedError` that says what is wrong."""
    try:
        with tarfile.open(output, "r:gz") as tar:
            member = tar.getmember("evaluation.json")
            file = tar.extractfile(member)
            if file is None or member.size > _EVALUATION_LIMIT_BYTES:
                raise ArchiveRejectedError(f"'evaluation.json' in '{output}' is not a file of a sensible size.")
            # Whatever the file says: nobody but this product has measured anything yet.
            return replace(Evaluation.from_document(json.load(file)), measured_at=None)
    except (OSError, EOFError, tarfile.TarError, KeyError, ValueError, InvalidInputError) as error:
        raise ArchiveRejectedError(
            f"The evaluation in '{output}' cannot be read: {error}", hint="Train again: the job's output is damaged."
        ) from error
