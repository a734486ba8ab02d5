"""Launching and stopping training jobs."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from backend.domain.identity import Actor, Role
from backend.domain.jobs import TrainingJob, TrainingRequest
from backend.domain.training import NAMED_DATASETS, Value, resolve
from backend.errors import InvalidInputError, RefusedError
from backend.ports.clock import Clock
from backend.ports.hard_examples import HardExamples
from backend.ports.training import Channel, TrainingPlatform
from backend.services import labelled_drawings
from backend.services.auditing import Auditor
from backend.services.labelled_drawings import LabelledDrawings

_RESUMED: Final = re.compile(r"-r[0-9]+$")
_LONGEST_NAME: Final = 63
HARD_EXAMPLES: Final = "hard_examples"
"""The input channel with the labelled drawings."""


class Launching:
    def __init__(self, training: TrainingPlatform, examples: HardExamples, auditor: Auditor, clock: Clock) -> None:
        self._training = training
        self._examples = examples
        self._auditor = auditor
        self._clock = clock

    def train(
        self, *, actor: Actor, preset: str, overrides: Mapping[str, Value], name: str = "", key: str = ""
    ) -> TrainingJob:
        """Validate and submit; an empty `name` is made from the preset and the time, an empty `key` is a new request.

        A data set may be named by a path: it is taken from where the caller is, and must exist. With a share of
        `hard_examples` the job gets a copy of the labelled drawings as they are now. Raises `InvalidInputError` for a
        bad value, `PermissionDeniedError` below operator, and `RefusedError` when no drawing was labelled yet.
        """
        actor.require(Role.OPERATOR, "launch a training job")
        name = name or f"{preset}-{self._clock():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        request = TrainingRequest(
            name=name,
            preset=preset,
            hyperparameters=_with_whole_path(resolve(preset, overrides)),
            requested_by=actor.name,
            key=key or secrets.token_hex(16),
        )
        with self._auditor.audited(actor, "train", f"job {request.name}") as effect:
            effect.after = {"preset": preset, "hyperparameters": dict(request.hyperparameters)}
            drawings = self._drawings(request)
            if drawings:
                effect.after = {**effect.after, "hard_examples": {"n": drawings.count, "sha256": drawings.sha256}}
            job = self._training.submit(request, _channels(drawings))
            effect.subject = f"job {job.name}"
        return job

    def _drawings(self, request: TrainingRequest) -> LabelledDrawings | None:
        share = request.hyperparameters["hard_examples"]
        if not share:
            return None
        drawings = labelled_drawings.pack(self._examples.list_examples())
        if not drawings.count:
            raise RefusedError(
                f"hard_examples is {share}, and no drawing has been labelled yet.",
                hint="Correct drawings on the Draw page first, or set hard_examples to 0.",
            )
        return drawings

    def resume(self, name: str, *, actor: Actor, key: str = "") -> TrainingJob:
        """Launch a job that goes on where the failed or stopped job `name` was saved last, with the same values and
        the same labelled drawings.

        Raises `NotFoundError`, `WrongStateError` when that job runs or has completed, and `PermissionDeniedError`
        below operator.
        """
        actor.require(Role.OPERATOR, "resume a training job")
        origin = self._training.describe(name)
        request = replace(
            origin.request,
            name=self._name_after(name),
            requested_by=actor.name,
            key=key or secrets.token_hex(16),
            resumed_from=name,
            tuning_job="",
        )
        with self._auditor.audited(actor, "resume", f"job {request.name}") as effect:
            effect.before = {"job": name, "status": origin.status.value}
            job = self._training.submit(request)
            effect.subject = f"job {job.name}"
        return job

    def _name_after(self, name: str) -> str:
        """`name-r2`, then `name-r3`, ...: the first that is free."""
        taken = {job.name for job in self._training.list_jobs()}
        base = _RESUMED.sub("", name)
        suffixes = (f"-r{number}" for number in itertools.count(2))
        names = (f"{base[: _LONGEST_NAME - len(suffix)].rstrip('-')}{suffix}" for suffix in suffixes)
        return next(candidate for candidate in names if candidate not in taken)

    def stop(self, name: str, *, actor: Actor) -> TrainingJob:
        """Ask a job to stop. Raises `NotFoundError`, and `WrongStateError` when it has ended."""
        actor.require(Role.OPERATOR, "stop a training job")
        with self._auditor.audited(actor, "stop", f"job {name}") as effect:
            effect.before = {"status": self._training.describe(name).status.value}
            job = self._training.stop(name)
            effect.after = {"status": job.status.value}
        return job


def _channels(drawings: LabelledDrawings | None) -> dict[str, Channel]:
    return {HARD_EXAMPLES: {labelled_drawings.FILE_NAME: drawings.content}} if drawings else {}


def _with_whole_path(values: dict[str, Value]) -> dict[str, Value]:
    """The job is started elsewhere: a path is made absolute here."""
    name = str(values["dataset"])
    if name in NAMED_DATASETS or name.startswith("s3://"):
        return values
    path = Path(name).expanduser().resolve()
    if not path.exists():
        raise InvalidInputError(
            f"The data set '{name}' does not exist here ('{path}').",
            hint="Give the path of an .npz file or a folder of .npy files, an s3:// address, or one of "
            f"{', '.join(NAMED_DATASETS)}.",
        )
    return {**values, "dataset": str(path)}
