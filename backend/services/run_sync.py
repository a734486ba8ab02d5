"""Sync: runs that were recorded offline are uploaded to W&B one by one, each with a verdict of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from backend.domain.identity import Actor, Role
from backend.domain.operations import Operation, OperationStatus, interrupted
from backend.domain.run_sync import reason_not_to_sync, waiting_for_sync
from backend.domain.steps import Step, StepStatus, moved
from backend.domain.tracking import Run
from backend.errors import DigitsError, InvalidInputError, PlatformError, SetupError, WorkFailedError, WrongStateError
from backend.ports.clock import Clock
from backend.ports.operations import Operations, OperationStore
from backend.ports.run_sync import RunUploads
from backend.services.auditing import Auditor
from backend.services.runs import Runs

KIND: Final = "sync"
SYNCING_ROLE: Final = Role.OPERATOR
RUN_SECONDS: Final = 600.0
"""How long one run's upload may take."""
_AGAIN: Final = "Sync again: what is on the server is left alone, the rest is uploaded."


class RunSync:
    def __init__(
        self,
        *,
        runs: Runs,
        uploads: RunUploads,
        processes: Operations,
        store: OperationStore,
        auditor: Auditor,
        clock: Clock,
    ) -> None:
        self._runs = runs
        self._uploads = uploads
        self._processes = processes
        self._store = store
        self._auditor = auditor
        self._clock = clock

    def refusal(self) -> str:
        """Why nothing can be synced; empty when it can."""
        return self._uploads.refusal()

    def waiting(self) -> Sequence[Run]:
        """The runs that `--all` means: ended, on this machine, not on the server."""
        return waiting_for_sync(self._runs.list_runs(limit=1_000_000).runs)

    def latest(self) -> Operation | None:
        """The newest sync; one whose process died is told so here. None when there was none."""
        operation = self._store.latest(KIND)
        if operation is None or not self._died(operation):
            return operation
        operation = interrupted(self._store.get(operation.id), self._clock(), hint=_AGAIN)
        self._store.save(operation)
        return operation

    def start(self, names: Sequence[str], *, actor: Actor) -> str:
        """Sync these runs (keys or ids) in a process of its own; returns the operation's id.

        Raises `WrongStateError` while another sync runs, and as `run` for what can be known beforehand.
        """
        self._auditor.require(actor, SYNCING_ROLE, "sync runs", action=KIND, subject=f"run {', '.join(names)}"[:200])
        operation = self._planned(self.next_id(), [self._asked_for(name) for name in names], actor)
        # Names last: a stranger's project may be called like an option.
        options = ["--operation", operation.id, "--json", "--"]
        verb = ["runs", "sync", *options, *(step.name for step in operation.steps)]
        self._processes.start(operation.id, verb, before=lambda: self._store.save(operation))
        if self._store.get(operation.id).steps != operation.steps:
            raise _running(operation.id)  # two clicks at once: the other one was first
        return operation.id

    def next_id(self) -> str:
        """The number after the last one's. Raises `WrongStateError` while that one runs."""
        last = self.latest()
        if last is None:
            return f"{KIND}-1"
        if last.status is OperationStatus.IN_PROGRESS:
            raise _running(last.id)
        return f"{KIND}-{int(last.id.rpartition('-')[2]) + 1}"

    def run(
        self, names: Sequence[str], *, actor: Actor, operation_id: str = "", seconds: float = RUN_SECONDS
    ) -> Operation:
        """Upload these runs (keys or ids), one after the other; returns the record, with a step for each run.

        A run that fails spoils no other; when the server itself is the trouble, the rest is not tried. Runs that are on
        the server are left alone. Raises `PermissionDeniedError` below operator, `NotFoundError` for an unknown run,
        `WrongStateError` for one that cannot be uploaded or while another sync runs, `SetupError` without a key.
        """
        self._auditor.require(actor, SYNCING_ROLE, "sync runs", action=KIND, subject=f"run {', '.join(names)}"[:200])
        if operation_id and not re.fullmatch(rf"{KIND}-[1-9][0-9]*", operation_id):
            raise InvalidInputError(f"'{operation_id[:80]}' is no sync: expected '{KIND}-' and a number.")
        runs = [self._asked_for(name) for name in names]
        operation_id = operation_id or self.next_id()
        with self._processes.joined(operation_id), self._uploads.hold():
            self._save(self._planned(operation_id, runs, actor))
            try:
                self._uploads.check()
                for run in runs:
                    self._sync(run, actor, seconds)
            except DigitsError as error:
                return self._end(OperationStatus.FAILED, error)
            failed = [step.name for step in self._operation.steps if step.status is StepStatus.FAILED]
            if failed:
                what = f"{len(failed)} of {len(runs)} runs are not on W&B as they should be: {', '.join(failed[:5])}."
                return self._end(OperationStatus.FAILED, WorkFailedError(what, hint=_AGAIN))
            return self._end(OperationStatus.COMPLETED)

    def _sync(self, run: Run, actor: Actor, seconds: float) -> None:
        """One run, and its step. Raises what concerns every run."""
        if run.synced:
            self._move(run.key, StepStatus.COMPLETED, "on W&B already")
            return
        self._move(run.key, StepStatus.IN_PROGRESS, "")
        try:
            with self._auditor.audited(actor, "sync", f"run {run.key}") as effect:
                synced = self._uploads.upload(
                    run, seconds=seconds, tell=lambda news: self._move(run.key, StepStatus.IN_PROGRESS, news)
                )
                effect.after = {"url": synced.url, "last_step": synced.last_step, "rows": synced.rows}
        except DigitsError as error:
            self._move(run.key, StepStatus.FAILED, error.message)
            self._uploads.check()
            return
        rows = "" if synced.rows is None else f" and {synced.rows:,} rows"
        seen = f"seen on W&B with step {synced.last_step:,}{rows}. {synced.notice}".strip()
        self._move(run.key, StepStatus.COMPLETED, seen)

    def _asked_for(self, name: str) -> Run:
        if reason := self.refusal():
            raise SetupError(reason, hint="Set WANDB_API_KEY in .env, and start again.")
        run = self._runs.get_run(name)
        reason = "" if run.synced else reason_not_to_sync(run)
        if reason:
            raise WrongStateError(f"Run '{run.key}' cannot be synced. {reason}")
        return run

    def _planned(self, operation_id: str, runs: Sequence[Run], actor: Actor) -> Operation:
        steps = tuple(Step(name=run.key) for run in runs)
        return Operation(id=operation_id, kind=KIND, requested_by=actor.name, started_at=self._clock(), steps=steps)

    def _died(self, operation: Operation) -> bool:
        if operation.status is not OperationStatus.IN_PROGRESS or self._processes.is_running(operation.id):
            return False
        # Read again: it may have ended, and let go, between the two looks.
        return self._store.get(operation.id).status is OperationStatus.IN_PROGRESS

    def _move(self, name: str, status: StepStatus, detail: str) -> None:
        steps = moved(self._operation.steps, name, status, detail, self._clock())
        self._save(replace(self._operation, steps=steps))

    def _end(self, status: OperationStatus, error: DigitsError | None = None) -> Operation:
        message, hint = (error.message, error.hint) if error else ("", "")
        if isinstance(error, PlatformError):
            hint = f"{hint} {_AGAIN}".strip()
        return self._save(replace(self._operation, status=status, ended_at=self._clock(), error=message, hint=hint))

    def _save(self, operation: Operation) -> Operation:
        self._operation = operation
        self._store.save(operation)
        return operation


def _running(operation_id: str) -> WrongStateError:
    return WrongStateError(
        f"A sync is running already ('{operation_id}').", hint="Wait for it to end: the Runs page shows how it goes."
    )
