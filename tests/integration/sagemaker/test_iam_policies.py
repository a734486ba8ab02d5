"""The policies under docs/iam, held against the calls that the product really makes: enough, and no more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.adapters.sagemaker.artifacts import Artifacts
from backend.adapters.sagemaker.audit import S3AuditLog
from backend.adapters.sagemaker.deployments import S3Deployments
from backend.adapters.sagemaker.endpoints import SageMakerEndpoints
from backend.adapters.sagemaker.evaluations import S3Evaluations
from backend.adapters.sagemaker.example_sets import S3ExampleSets
from backend.adapters.sagemaker.hard_examples import S3HardExamples
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.registry import SageMakerRegistry
from backend.adapters.sagemaker.scaling import SageMakerFleets
from backend.adapters.triton.canary import canary_images
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.scaling import Autoscaling
from backend.domain.serving import Stage
from backend.services.auditing import Auditor
from tests.contract import archives
from tests.contract.promotion_platforms import ADA, Shop
from tests.contract.test_registry_contract import register
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.hosted import LEASE_S, hosting_for
from tests.fakes.aws.iam import Need, Policy, Recorder

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "iam"
POLICIES = sorted(path for path in FOLDER.glob("*.json") if not path.stem.endswith("-trust"))
WITHOUT_RESOURCES = {
    *(
        "sagemaker:ListModelPackages",
        "sagemaker:ListModels",
        "sagemaker:ListEndpoints",
        "sagemaker:ListEndpointConfigs",
    ),
    *("sagemaker:ListTrainingJobs", "sagemaker:ListHyperParameterTuningJobs", "sagemaker:Search"),
    *("cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricData", "pricing:GetProducts"),
    *("application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies"),
    *("servicequotas:ListServiceQuotas", "ecr:GetAuthorizationToken"),
}
"""Actions that AWS can only allow for everything, or that only read numbers."""
LONGEST = 6144
"""Characters of a managed policy, white space not counted."""


def policy(fake: FakeAws, name: str) -> Policy:
    return Policy(FOLDER / f"{name}.json", fake.account)


def recorded(fake: FakeAws, folder: Path) -> tuple[Recorder, Shop, SageMakerFleets]:
    recorder = Recorder(fake.account)
    bucket, artifacts = Bucket(recorder.aws), Artifacts(recorder.aws, folder / "archives")
    hosting = hosting_for(fake.account, tags={"team": "digits"})  # tags take permissions of their own
    shop = Shop(
        registry=SageMakerRegistry(recorder.aws, bucket, artifacts, image=hosting.image, tags=hosting.tags),
        serving=SageMakerEndpoints(recorder.aws, bucket, artifacts, hosting, poll_s=0.001, lease_s=LEASE_S),
        deployments=S3Deployments(bucket),
        audit=S3AuditLog(bucket),
        evaluations=S3Evaluations(bucket),
        examples=S3HardExamples(bucket),
        example_sets=S3ExampleSets(bucket),
    )
    return recorder, shop, SageMakerFleets(recorder.aws)


def deploying(fake: FakeAws, folder: Path, stage: Stage) -> Sequence[Need]:
    """Every call of a stage's life: deployed twice, rolled back, asked, measured, scaled, watched, deleted."""
    recorder, shop, fleets = recorded(fake, folder)
    shop.stock(folder)
    recorder.needs.clear()
    for number in (1, 2, 3):
        # Every gate of the stage is asked whatever is said of the first.
        done = shop.promotion.promote(stage, number, actor=ADA, override="These versions were never evaluated.")
        assert done.outcome is Outcome.SUCCEEDED
    fleets.watch(stage)
    assert shop.promotion.roll_back(stage, actor=ADA).outcome is Outcome.SUCCEEDED
    shop.promotion.history(stage)
    shop.serving.predict(stage, canary_images())
    shop.serving.measure(stage)
    fleets.set(stage, 2)
    shop.serving.describe(stage)
    fleets.set_automatically(stage, Autoscaling(minimum=1, maximum=2, per_minute=100))
    fleets.set_by_hand(stage)
    with shop.serving.hold(stage, "ada"):
        shop.serving.delete(stage)
    return recorder.needs


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_policy_is_well_formed_and_gives_no_more_than_it_names(path: Path) -> None:
    document = json.loads(path.read_text())
    assert document["Version"] == "2012-10-17"
    assert len("".join(path.read_text().split())) <= LONGEST
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(sids) == len(set(sids))
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        assert not [action for action in statement["Action"] if "*" in action], statement["Sid"]
        if "*" in statement["Resource"]:
            assert set(statement["Action"]) <= WITHOUT_RESOURCES, statement["Sid"]
        if "iam:PassRole" in statement["Action"]:
            assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_sagemaker_alone_becomes_the_execution_role() -> None:
    (statement,) = json.loads((FOLDER / "execution-role-trust.json").read_text())["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}}


@pytest.mark.parametrize("stage", list(Stage))
def test_a_deployer_may_do_all_that_deploying_takes_on_its_own_stage_only(
    aws: FakeAws, tmp_path: Path, stage: Stage
) -> None:
    needs = deploying(aws, tmp_path, stage)
    mine, other = policy(aws, f"{stage.value}-deployer"), policy(aws, f"{_other(stage).value}-deployer")
    assert [need for need in needs if not mine.allows(need)] == []
    changing = [
        need
        for need in needs
        if need.action.startswith(("sagemaker:Create", "sagemaker:Update", "sagemaker:Delete"))
        or ("/deployments/" in need.resource and need.action == "s3:PutObject")
    ]
    assert {need.action for need in changing} >= {
        *("sagemaker:CreateModel", "sagemaker:CreateEndpointConfig", "sagemaker:CreateEndpoint"),
        *("sagemaker:UpdateEndpoint", "sagemaker:DeleteEndpoint", "s3:PutObject"),
    }
    assert [need for need in changing if other.allows(need)] == []


def test_an_operator_registers_and_looks_but_changes_no_endpoint_and_decides_nothing(
    aws: FakeAws, tmp_path: Path
) -> None:
    recorder, shop, _ = recorded(aws, tmp_path)
    operator, approver = policy(aws, "operator"), policy(aws, "approver")
    archive = archives.good_archive(tmp_path / "model.tar.gz")
    register(shop.registry, archive)
    shop.registry.list_versions()
    shop.registry.fetch_archive(shop.registry.get(1))
    shop.promotion.history()
    shop.serving.describe(Stage.PROD)
    with Auditor(shop.audit, lambda: datetime.now(UTC)).audited(ADA, "look", "nothing"):
        pass
    shop.audit.list_events()
    assert [need for need in recorder.needs if not operator.allows(need)] == []

    recorder.needs.clear()
    shop.registry.set_approval(1, Approval.APPROVED, by="ada", comment="")
    assert [need for need in recorder.needs if not approver.allows(need)] == []
    assert not all(operator.allows(need) for need in recorder.needs)
    for stage in Stage:
        name = f"arn:aws:sagemaker:eu-west-1:123456789012:endpoint/{stage.endpoint_name}"
        for action in ("CreateEndpoint", "UpdateEndpoint", "DeleteEndpoint"):
            assert not operator.allows(Need(action=f"sagemaker:{action}", resource=name))


@pytest.mark.parametrize("name", ["operator", "approver", "staging-deployer", "prod-deployer"])
def test_nobody_overwrites_or_deletes_an_event_or_an_archive(aws: FakeAws, name: str) -> None:
    held = policy(aws, name)
    for key in ("audit/1.json", "models/sha256-0/model.tar.gz", "registry/facts/1.json", "registry/decisions/1/1.json"):
        resource = f"arn:aws:s3:::digits-test/digits/{key}"
        assert not held.allows(Need(action="s3:PutObject", resource=resource))
        assert not held.allows(Need(action="s3:DeleteObject", resource=resource))
    event = "arn:aws:s3:::digits-test/digits/audit/1.json"
    assert held.allows(Need(action="s3:PutObject", resource=event, context={"s3:if-none-match": "*"}))


def _other(stage: Stage) -> Stage:
    return Stage.PROD if stage is Stage.STAGING else Stage.STAGING
