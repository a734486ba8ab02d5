"""Launching and stopping training jobs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from backend.domain.identity import Actor, Role
from backend.domain.jobs import TrainingJob, TrainingRequest
from backend.domain.training import Value, resolve
from backend.ports.clock import Clock
from backend.ports.training import TrainingPlatform
from backend.services.auditing import Auditor


class Launching:
    def __init__(self, training: TrainingPlatform, auditor: Auditor, clock: Clock) -> None:
        self._training = training
        self._auditor = auditor
        self._clock = clock

    def train(
        self, *, actor: Actor, preset: str, overrides: Mapping[str, Value], name: str = "", key: str = ""
    ) -> TrainingJob:
        """Validate and submit; an empty `name` is made from the preset and the time, an empty `key` is a new request.

        Raises `InvalidInputError` for a bad value and `PermissionDeniedError` below operator.
        """
        actor.require(Role.OPERATOR, "launch a training job")
        name = name or f"{preset}-{self._clock():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        request = TrainingRequest(
            name=name,
            preset=preset,
            hyperparameters=resolve(preset, overrides),
            requested_by=actor.name,
            key=key or secrets.token_hex(16),
        )
        with self._auditor.audited(actor, "train", f"job {request.name}") as effect:
            job = self._training.submit(request)
            effect.subject = f"job {job.name}"
            effect.after = {"preset": preset, "hyperparameters": dict(request.hyperparameters)}
        return job

    def stop(self, name: str, *, actor: Actor) -> TrainingJob:
        """Ask a job to stop. Raises `NotFoundError`, and `WrongStateError` when it has ended."""
        actor.require(Role.OPERATOR, "stop a training job")
        with self._auditor.audited(actor, "stop", f"job {name}") as effect:
            effect.before = {"status": self._training.describe(name).status.value}
            job = self._training.stop(name)
            effect.after = {"status": job.status.value}
        return job
