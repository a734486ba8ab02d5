"""The stores of each platform, for the contracts of what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.adapters.local.audit import LocalAuditLog
from backend.adapters.local.database import Database
from backend.adapters.local.deployments import LocalDeployments
from backend.adapters.local.evaluations import LocalEvaluations
from backend.adapters.local.example_sets import LocalExampleSets
from backend.adapters.local.hard_examples import LocalHardExamples
from backend.adapters.local.home import Home
from backend.adapters.local.operation_store import LocalOperationStore
from backend.adapters.sagemaker.audit import S3AuditLog
from backend.adapters.sagemaker.deployments import S3Deployments
from backend.adapters.sagemaker.evaluations import S3Evaluations
from backend.adapters.sagemaker.example_sets import S3ExampleSets
from backend.adapters.sagemaker.hard_examples import S3HardExamples
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.operation_store import S3OperationStore
from backend.ports.audit import AuditLog
from backend.ports.deployments import DeploymentStore
from backend.ports.evaluations import EvaluationStore
from backend.ports.example_sets import ExampleSets
from backend.ports.hard_examples import HardExamples
from backend.ports.operations import OperationStore
from tests.fakes.aws.account import FakeAws


@dataclass(frozen=True, kw_only=True)
class Stores:
    deployments: DeploymentStore
    audit: AuditLog
    operations: OperationStore
    examples: HardExamples
    example_sets: ExampleSets
    evaluations: EvaluationStore


@pytest.fixture(params=["local", pytest.param("sagemaker", marks=pytest.mark.processes)])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    """Empty."""
    if request.param == "sagemaker":
        fake: FakeAws = request.getfixturevalue("aws")
        bucket = Bucket(fake.connect())
        return Stores(
            deployments=S3Deployments(bucket),
            audit=S3AuditLog(bucket),
            operations=S3OperationStore(bucket),
            examples=S3HardExamples(bucket),
            example_sets=S3ExampleSets(bucket),
            evaluations=S3Evaluations(bucket),
        )
    database = Database(Home(tmp_path / "home").database)
    return Stores(
        deployments=LocalDeployments(database),
        audit=LocalAuditLog(database),
        operations=LocalOperationStore(database),
        examples=LocalHardExamples(database),
        example_sets=LocalExampleSets(database, Home(tmp_path / "home")),
        evaluations=LocalEvaluations(Home(tmp_path / "home")),
    )
