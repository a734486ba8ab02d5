"""The promotion service over the adapters of each platform, with the gates that ship, and versions to promote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.adapters.local.audit import LocalAuditLog
from backend.adapters.local.database import Database
from backend.adapters.local.deployments import LocalDeployments
from backend.adapters.local.evaluations import LocalEvaluations
from backend.adapters.local.example_sets import LocalExampleSets
from backend.adapters.local.gate_file import read_gates
from backend.adapters.local.hard_examples import LocalHardExamples
from backend.adapters.local.home import Home
from backend.adapters.local.registry import LocalRegistry
from backend.adapters.sagemaker.audit import S3AuditLog
from backend.adapters.sagemaker.deployments import S3Deployments
from backend.adapters.sagemaker.evaluations import S3Evaluations
from backend.adapters.sagemaker.example_sets import S3ExampleSets
from backend.adapters.sagemaker.hard_examples import S3HardExamples
from backend.adapters.sagemaker.objects import Bucket
from backend.domain.evaluation import Evaluation
from backend.domain.identity import Actor, Role
from backend.domain.origin import Origin
from backend.domain.registry import Approval
from backend.ports.audit import AuditLog
from backend.ports.deployments import DeploymentStore
from backend.ports.evaluations import EvaluationStore
from backend.ports.example_sets import ExampleSets
from backend.ports.hard_examples import HardExamples
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.services.auditing import Auditor
from backend.services.example_sets import ExampleSetService
from backend.services.gates import Gates
from backend.services.probing import ProbedChanges
from backend.services.promotion import Promotion
from tests.contract import archives, real_serving
from tests.fakes import trainer
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.hosted import registry_on, serving_on
from tests.fakes.load import FakeLoad
from tests.fakes.serving import FakeServing

DECLARED = Path(__file__).resolve().parents[2] / "models" / "gates.yaml"
ADA = Actor(name="ada", role=Role.APPROVER)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """One operator's view of a platform; a second one of the same platform shares its state."""

    registry: ModelRegistry
    serving: ServingPlatform
    deployments: DeploymentStore
    audit: AuditLog
    evaluations: EvaluationStore
    examples: HardExamples
    example_sets: ExampleSets

    @property
    def promotion(self) -> Promotion:
        gates = Gates(
            lambda: read_gates(DECLARED),
            self.registry,
            self.serving,
            self.deployments,
            self.evaluations,
            ExampleSetService(self.examples, self.example_sets, Auditor(self.audit, _now), _now),
            _now,
        )
        return Promotion(
            self.registry,
            self.serving,
            self.deployments,
            gates,
            Auditor(self.audit, _now),
            _now,
            ProbedChanges(self.serving, FakeLoad()),
            Origin,
        )

    def stock(self, folder: Path) -> None:
        """Versions 1, 2 and 3, approved: the same labels with different probabilities."""
        for number in (1, 2, 3):
            path = archives.good_archive(folder / f"made-{number}.tar.gz", sharpness=float(number))
            self.registry.register(
                path,
                sha256=archives.digest_of(path),
                source_job=f"job-{number}",
                evaluation=Evaluation.from_document(trainer.evaluation()),
                registered_by="ada",
            )
            self.registry.set_approval(number, Approval.APPROVED, by="ada", comment="")


def sagemaker_shop(fake: FakeAws, folder: Path) -> Shop:
    """With clients of its own, as another machine has them."""
    bucket = Bucket(fake.connect())
    return Shop(
        registry=registry_on(fake.account, folder),
        serving=serving_on(fake.account, folder),
        deployments=S3Deployments(bucket),
        audit=S3AuditLog(bucket),
        evaluations=S3Evaluations(bucket),
        examples=S3HardExamples(bucket),
        example_sets=S3ExampleSets(bucket),
    )


def local_shop(folder: Path) -> Shop:
    home = Home(folder / "home")
    database = Database(home.database)
    return Shop(
        registry=LocalRegistry(database, home),
        serving=FakeServing(folder),
        deployments=LocalDeployments(database),
        audit=LocalAuditLog(database),
        evaluations=LocalEvaluations(home),
        examples=LocalHardExamples(database),
        example_sets=LocalExampleSets(database, home),
    )


def real_shop(corner: real_serving.Corner) -> Shop:
    return Shop(**{name: getattr(corner, name) for name in Shop.__dataclass_fields__})


@pytest.fixture(
    params=[
        "local",
        pytest.param("sagemaker", marks=pytest.mark.processes),
        pytest.param("aws", marks=pytest.mark.aws),
    ]
)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with ExitStack() as leaving:
        if request.param == "aws":
            corner = leaving.enter_context(closing(real_serving.Corner(tmp_path)))
            made = real_shop(corner)
        elif request.param == "sagemaker":
            made = sagemaker_shop(request.getfixturevalue("aws"), tmp_path)
        else:
            made = local_shop(tmp_path)
        made.stock(tmp_path)
        yield made


def _now() -> datetime:
    return datetime.now(UTC)
