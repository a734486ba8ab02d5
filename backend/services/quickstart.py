"""Quick start: from nothing to both stages answering, in one operation that can be taken up where it failed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from backend.domain.identity import Actor, Role
from backend.domain.jobs import JobStatus, TrainingJob
from backend.domain.operations import Operation, OperationStatus, interrupted
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.domain.steps import Step, StepStatus, moved
from backend.errors import (
    DeploymentFailedError,
    DigitsError,
    InvalidInputError,
    NotApprovedError,
    NotFoundError,
    WorkFailedError,
)
from backend.ports.clock import Clock
from backend.ports.operations import Operations, OperationStore
from backend.ports.training import TrainingPlatform
from backend.services.auditing import Auditor
from backend.services.evaluating import Evaluating
from backend.services.launching import Launching
from backend.services.promotion import Promotion, new_deployment_id
from backend.services.registration import Registration

KIND: Final = "quickstart"
STEPS: Final = ("train", "register", "evaluate", "approve", "staging", "prod")
POLL_SECONDS: Final = 0.5


class Quickstart:
    """Each step is idempotent by itself, so taking the operation up again is running it again."""

    def __init__(
        self,
        *,
        training: TrainingPlatform,
        launching: Launching,
        registration: Registration,
        evaluating: Evaluating,
        promotion: Promotion,
        processes: Operations,
        store: OperationStore,
        auditor: Auditor,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._training = training
        self._launching = launching
        self._registration = registration
        self._evaluating = evaluating
        self._promotion = promotion
        self._processes = processes
        self._store = store
        self._auditor = auditor
        self._clock = clock
        self._sleep = sleep

    def latest(self) -> Operation | None:
        """The newest quick start; one whose process died is told so here. None when there was none."""
        operation = self._store.latest(KIND)
        if operation is None or operation.status is not OperationStatus.IN_PROGRESS:
            return operation
        if self._processes.is_running(operation.id):
            return operation
        # Read again: it may have ended, and let go, between the two looks.
        operation = self._store.get(operation.id)
        if operation.status is OperationStatus.IN_PROGRESS:
            operation = interrupted(operation, self._clock(), hint="Retry: it goes on where it was.")
            self._store.save(operation)
        return operation

    def next_id(self) -> str:
        """The quick start to work on: the last one, unless it completed; then the next number."""
        last = self.latest()
        if last is None:
            return f"{KIND}-1"
        if last.status is not OperationStatus.COMPLETED:
            return last.id
        return f"{KIND}-{int(last.id.rpartition('-')[2]) + 1}"

    def start(self, *, actor: Actor, preset: str) -> str:
        """Start a quick start in a process of its own, or take up the last one if it failed; returns its id.

        While one runs, starting again changes nothing.
        """
        operation_id, last = self.next_id(), self.latest()
        self._require_approver(actor, operation_id)
        attempt = 1
        if last is not None and last.id == operation_id:
            attempt = last.attempt + (last.status is not OperationStatus.IN_PROGRESS)
        verb = ["quickstart", "--preset", preset, "--operation", operation_id]
        self._processes.start(
            operation_id, verb, attempt=attempt, before=lambda: self._store.save(self._taken_up(operation_id, actor))
        )
        return operation_id

    def run(self, operation_id: str, *, actor: Actor, preset: str) -> Operation:
        """Do the steps that are not done and return the record, completed or failed.

        Raises `PermissionDeniedError` below approver: the one who clicks approves the model and ships it to prod.
        """
        self._require_approver(actor, operation_id)
        if not re.fullmatch(rf"{KIND}-[1-9][0-9]*", operation_id):
            raise InvalidInputError(f"'{operation_id[:80]}' is no quick start: expected '{KIND}-' and a number.")
        with self._processes.joined(operation_id):
            self._save(self._taken_up(operation_id, actor))
            try:
                self._do(actor, preset)
            except DigitsError as error:
                return self._end(OperationStatus.FAILED, error)
            return self._end(OperationStatus.COMPLETED)

    def _require_approver(self, actor: Actor, operation_id: str) -> None:
        subject = f"quick start {operation_id[:80]}"
        self._auditor.require(actor, Role.APPROVER, "run the quick start", action=KIND, subject=subject)

    def _do(self, actor: Actor, preset: str) -> None:
        with self._step("train"):
            job = self._train(actor, preset)
        with self._step("register") as say:
            version = self._registration.register_job(job.name, actor=actor)
            self._keep(version=version.version)
            say(f"version {version.version}, {version.sha256[:12]}")
        with self._step("evaluate") as say:
            version = self._evaluating.evaluate(
                version.version, actor=actor, say=lambda told: self._move("evaluate", StepStatus.IN_PROGRESS, told)
            )
            if (found := version.evaluation) is not None:
                self._keep(accuracy=found.accuracy)
                say(f"{found.accuracy:.2%} of {found.n:,} test images of {found.dataset}")
        with self._step("approve") as say:
            if version.approval is Approval.REJECTED:
                raise NotApprovedError(
                    f"Version {version.version} was rejected by {version.approval_by}: the quick start does not "
                    "overrule that.",
                    hint="Approve it on the Promote page, or train another model.",
                )
            self._registration.decide(version.version, Approval.APPROVED, actor=actor, comment="Quick start")
            say(f"by {actor.name}")
        for stage in Stage:
            with self._step(stage.value) as say:
                # Named before it begins, so that its own steps can be followed, and read if it dies.
                deployment_id = new_deployment_id(stage, version.version)
                self._keep(**{stage.value: deployment_id})
                self._move(stage.value, StepStatus.IN_PROGRESS, f"deployment {deployment_id}")
                deployment = self._promotion.promote(stage, version.version, actor=actor, deployment_id=deployment_id)
                if not deployment.outcome.is_good:
                    raise DeploymentFailedError(deployment.error, hint=deployment.hint)
                say(f"version {version.version} serves")

    def _train(self, actor: Actor, preset: str) -> TrainingJob:
        """The completed job: the one that an earlier attempt trained, or a new one followed to its end."""
        name = str(self._operation.result.get("job", ""))
        job = self._training.describe(name) if name else None
        if job is None or job.status in (JobStatus.FAILED, JobStatus.STOPPED):
            key = f"{self._operation.id}-{self._operation.attempt}"
            job = self._launching.train(actor=actor, preset=preset, overrides={}, key=key)
            self._keep(job=job.name)
        told = ""
        while not job.status.is_terminal:
            detail = f"{job.name}: {'waiting for a slot' if job.status is JobStatus.PENDING else f'{job.progress:.0%}'}"
            if detail != told:
                self._move("train", StepStatus.IN_PROGRESS, told := detail)
            self._sleep(POLL_SECONDS)
            job = self._training.describe(job.name)
        if job.status is not JobStatus.COMPLETED:
            raise WorkFailedError(
                f"Training job '{job.name}' is {job.status.value}. {job.failure_reason}".strip(),
                hint="Read its log on the Jobs page, then take the quick start up again.",
            )
        self._move("train", StepStatus.IN_PROGRESS, job.name)
        return job

    def _taken_up(self, operation_id: str, actor: Actor) -> Operation:
        """The record to go on with: a new one, the one that `start` has just written, or a failed one made ready."""
        try:
            last = self._store.get(operation_id)
        except NotFoundError:
            steps = tuple(Step(name=name) for name in STEPS)
            return Operation(id=operation_id, kind=KIND, requested_by=actor.name, started_at=self._clock(), steps=steps)
        if last.status is OperationStatus.IN_PROGRESS:
            return last
        steps = tuple(step if step.status is StepStatus.COMPLETED else Step(name=step.name) for step in last.steps)
        return replace(
            last,
            status=OperationStatus.IN_PROGRESS,
            attempt=last.attempt + 1,
            started_at=self._clock(),
            steps=steps,
            ended_at=None,
            error="",
            hint="",
        )

    @contextmanager
    def _step(self, name: str) -> Iterator[Callable[[str], None]]:
        """One step in the record; what the block says last is its detail."""
        said: list[str] = []
        self._move(name, StepStatus.IN_PROGRESS, "")
        try:
            yield said.append
        except DigitsError as error:
            self._move(name, StepStatus.FAILED, error.message)
            raise
        step = next(step for step in self._operation.steps if step.name == name)
        self._move(name, StepStatus.COMPLETED, said[-1] if said else step.detail)

    def _move(self, name: str, status: StepStatus, detail: str) -> None:
        steps = moved(self._operation.steps, name, status, detail, self._clock())
        self._save(replace(self._operation, steps=steps))

    def _keep(self, **made: str | int | float) -> None:
        self._save(replace(self._operation, result={**self._operation.result, **made}))

    def _end(self, status: OperationStatus, error: DigitsError | None = None) -> Operation:
        return self._save(
            replace(
                self._operation,
                status=status,
                ended_at=self._clock(),
                error=error.message if error else "",
                hint=error.hint if error else "",
            )
        )

    def _save(self, operation: Operation) -> Operation:
        self._operation = operation
        self._store.save(operation)
        return operation
