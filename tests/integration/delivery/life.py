"""What the life of a pull request needs: an account or a machine with a history, a repository, a bad model."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.canary_model import linear_model
from backend.domain.predictions import DataKind, Predictions
from backend.domain.registry import Approval, ModelVersion
from backend.domain.serving import ServedModel, Stage
from backend.ports.deployments import DeploymentStore
from backend.ports.evaluations import EvaluationStore
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from tests.contract import archives
from tests.fakes.evaluator import images
from tests.fakes.github import REPOSITORY, TOKEN
from tests.integration.delivery.workflows import Repository

GATES = """\
staging: {digest: required, approved: required}
prod:
  digest: required
  approved: required
  same_data: required
  not_worse: {alpha: 0.05, margin: 0.002}
  freehand: {alpha: 0.05, margin: 0.01}
  staging_first: required
  latency: {p99_ms: 2000}
  probe: {at_least: 0.99}
"""
"""As they ship, but for a floor that a model of ten templates does not reach, and for the speed of a busy machine."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A platform as a test looks at it, beside the commands that change it."""

    registry: ModelRegistry
    serving: ServingPlatform
    deployments: DeploymentStore
    evaluations: EvaluationStore
    environment: Mapping[str, str]

    def stock(self, folder: Path) -> None:
        """Version 1, tried on 400 images; version 2, as good and not tried yet. Both are approved, nothing serves."""
        for number in (1, 2):
            path = archives.good_archive(folder / f"made-{number}.tar.gz", sharpness=float(number))
            self.register(path, approved=True)
        data = images("kept", 400, noise=0.4, seed=3)
        self.evaluations.save_data(data)
        self.evaluations.save(
            Predictions(
                archive_sha256=self.registry.get(1).sha256,
                kind=DataKind.TEST,
                data_name=data.name,
                data_sha256=data.sha256,
                at=datetime.now(UTC),
                labels=data.labels,
                predicted=data.labels,
                probabilities=array("f", [0.1] * 10 * len(data)),
            )
        )

    def register(self, path: Path, *, approved: bool) -> ModelVersion:
        made = self.registry.register(
            path, sha256=archives.digest_of(path), source_job="", evaluation=None, registered_by="ada"
        )
        if approved:
            self.approve(made.version)
        return made

    def approve(self, number: int) -> None:
        self.registry.set_approval(number, Approval.APPROVED, by="ada", comment="")

    def serves(self, stage: Stage) -> ServedModel | None:
        return self.serving.describe(stage).served

    def version(self, number: int) -> ServedModel:
        return ServedModel(version=number, sha256=self.registry.get(number).sha256)


def bad_archive(path: Path) -> Path:
    """It reads the ten digits that every deployment asks, by a few dots of each, and little else."""
    templates = canary_images().reshape(10, 784).T.copy()
    random = np.random.default_rng(5)
    templates[random.permutation(784)[:744]] = 0
    return archives.write_archive(
        path, onnx=linear_model(weights=20 * templates, bias=-10 * (templates**2).sum(axis=0))
    )


def opened(repository: Repository, number: int) -> dict[str, str]:
    """What GitHub says of a pull request whose branch is checked out."""
    return {
        "github.event.pull_request.number": str(number),
        "github.event.pull_request.head.sha": repository.head(),
        "github.event.pull_request.base.sha": "main",
        "github.token": TOKEN,
        "github.repository": REPOSITORY,
        **VARIABLES,
    }


def pushed(before: str) -> dict[str, str]:
    """What GitHub says of a push to main."""
    return {"github.event.before": before, **VARIABLES}


VARIABLES: Mapping[str, str] = {
    "vars.DIGITS_S3_BUCKET": "digits-test",
    "vars.SM_ARN_ROLE": "arn:aws:iam::123456789012:role/digits-execution",
    "vars.AWS_REGION": "eu-west-1",
}
