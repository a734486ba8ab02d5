"""Launching and stopping training jobs."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from backend.domain.identity import Actor, Role
from backend.domain.jobs import Compute, TrainingJob, TrainingRequest
from backend.domain.training import NAMED_DATASETS, Value, resolve
from backend.errors import InvalidInputError
from backend.ports.clock import Clock
from backend.ports.training import TrainingPlatform
from backend.services import labelled_drawings
from backend.services.auditing import Auditor
from backend.services.example_sets import ExampleSetService

_RESUMED: Final = re.compile(r"-r[0-9]+$")
LONGEST_NAME: Final = 63


class Launching:
    def __init__(self, training: TrainingPlatform, sets: ExampleSetService, auditor: Auditor, clock: Clock) -> None:
        self._training = training
        self._sets = sets
        self._auditor = auditor
        self._clock = clock

    def train(
        self,
        *,
        actor: Actor,
        preset: str,
        overrides: Mapping[str, Value],
        name: str = "",
        key: str = "",
        compute: Compute | None = None,
    ) -> TrainingJob:
        """Validate and submit; an empty `name` is made from the preset and the time, an empty `key` is a new request.

        A data set may be named by a path: it is taken from where the caller is, and must exist. With a share of
        `hard_examples` the job gets a copy of the set that `hard_examples_set` names, and records its SHA-256 as that
        hyperparameter. Raises `InvalidInputError` for a bad value, `PermissionDeniedError` below operator,
        `NotFoundError` for an unknown set, and `RefusedError` when no drawing was labelled yet.
        """
        name = name or f"{preset}-{self._clock():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self._auditor.require(actor, Role.OPERATOR, "launch a training job", action="train", subject=f"job {name}")
        request = TrainingRequest(
            name=name,
            preset=preset,
            hyperparameters=complete_hyperparameters(preset, overrides),
            requested_by=actor.name,
            key=key or secrets.token_hex(16),
            compute=compute or Compute(),
        )
        with self._auditor.audited(actor, "train", f"job {request.name}") as effect:
            effect.after = {"preset": preset, "hyperparameters": dict(request.hyperparameters)}
            values = request.hyperparameters
            share, asked = values[labelled_drawings.CHANNEL], str(values[labelled_drawings.SET])
            drawings = self._sets.for_training(share, asked, actor=actor)
            request = replace(request, hyperparameters=labelled_drawings.named(values, drawings))
            effect.after = {**effect.after, **labelled_drawings.told(drawings)}
            job = self._training.submit(request, labelled_drawings.channels(drawings))
            effect.subject = f"job {job.name}"
        return job

    def resume(self, name: str, *, actor: Actor, key: str = "") -> TrainingJob:
        """Launch a job that goes on where the failed or stopped job `name` was saved last, with the same values and
        the same labelled drawings.

        Raises `NotFoundError`, `WrongStateError` when that job runs or has completed, and `PermissionDeniedError`
        below operator.
        """
        self._auditor.require(actor, Role.OPERATOR, "resume a training job", action="resume", subject=f"job {name}")
        origin = self._training.describe(name)
        request = replace(
            origin.request,
            name=name_after(name, {job.name for job in self._training.list_jobs()}, LONGEST_NAME),
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

    def stop(self, name: str, *, actor: Actor) -> TrainingJob:
        """Ask a job to stop. Raises `NotFoundError`, and `WrongStateError` when it has ended."""
        self._auditor.require(actor, Role.OPERATOR, "stop a training job", action="stop", subject=f"job {name}")
        with self._auditor.audited(actor, "stop", f"job {name}") as effect:
            effect.before = {"status": self._training.describe(name).status.value}
            job = self._training.stop(name)
            effect.after = {"status": job.status.value}
        return job


def complete_hyperparameters(preset: str, overrides: Mapping[str, Value]) -> dict[str, Value]:
    """Every hyperparameter of a job launched from here; raises `InvalidInputError`."""
    return _with_whole_path(resolve(preset, overrides))


def name_after(name: str, taken: Collection[str], longest: int) -> str:
    """What resumes `name` is called `name-r2`, then `name-r3`, ...: the first that is free."""
    base = _RESUMED.sub("", name)
    suffixes = (f"-r{number}" for number in itertools.count(2))
    names = (f"{base[: longest - len(suffix)].rstrip('-')}{suffix}" for suffix in suffixes)
    return next(candidate for candidate in names if candidate not in taken)


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
