from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from backend.adapters.sagemaker.alarms import Alarms
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.probes import _source_of, serving_probes
from backend.adapters.sagemaker.session import Aws
from backend.domain.doctor import Check
from backend.domain.serving import Stage
from backend.services.doctor import Doctor
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.faults import EXPIRED, AwsFault
from tests.fakes.aws.hosted import INSTANCE, hosting_for, serving_on

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": ["sagemaker.amazonaws.com"]}, "Action": "sts:AssumeRole"}
    ],
}
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-tritonserver:26.05-py3-cpu"


def examine(fake: FakeAws, folder: Path, **hosting: object) -> Mapping[str, Check]:
    given = connect(fake)
    setup = hosting_for(fake.account, **{"image": IMAGE, **hosting})
    probes = serving_probes(given, Bucket(given), serving_on(fake.account, folder), setup)
    return {check.name: check for check in Doctor(probes).examine()}


def connect(fake: FakeAws) -> Aws:
    return fake.connect()


def make_well(fake: FakeAws) -> None:
    given = connect(fake)
    given.client("iam").create_role(RoleName="digits-execution", AssumeRolePolicyDocument=json.dumps(TRUST))
    ecr = given.client("ecr")
    ecr.create_repository(repositoryName="sagemaker-tritonserver")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": []}
    ecr.put_image(repositoryName="sagemaker-tritonserver", imageManifest=json.dumps(manifest), imageTag="26.05-py3-cpu")
    fake.serving.limit_instances(INSTANCE, 4)
    for stage in Stage:
        Alarms(given).create(stage.endpoint_name)


def test_an_account_that_has_everything_is_well(aws: FakeAws, tmp_path: Path) -> None:
    make_well(aws)
    checks = examine(aws, tmp_path)
    assert {name: check.detail for name, check in checks.items() if not check.ok} == {}
    assert checks["Execution role"].detail == "digits-execution, trusted by SageMaker"
    assert checks["Endpoint quota"].detail == f"4 {INSTANCE}, 3 needed at most"
    assert checks["Triton image"].detail == "sagemaker-tritonserver:26.05-py3-cpu is there"
    assert "can be written" in checks["Bucket"].detail


def test_an_empty_account_is_told_what_mends_each_thing(aws: FakeAws, tmp_path: Path) -> None:
    aws.serving.limit_instances(INSTANCE, 0)
    checks = examine(aws, tmp_path)
    ill = {name: check.fix for name, check in checks.items() if not check.ok}
    assert set(ill) == {"Execution role", "Triton image", "Endpoint quota", "Staging alarms", "Prod alarms"}
    assert "docs/iam/execution-role-trust.json" in ill["Execution role"]
    assert "DIGITS_TRITON_IMAGE" in ill["Triton image"]
    assert "Service Quotas" in ill["Endpoint quota"]
    assert ill["Prod alarms"] == "python -m backend endpoints alarms --stage prod"


def test_a_role_that_sagemaker_may_not_become_is_told(aws: FakeAws, tmp_path: Path) -> None:
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"AWS": "*"}}]}  # type: ignore[dict-item, index]
    aws.connect().client("iam").create_role(RoleName="digits-execution", AssumeRolePolicyDocument=json.dumps(trust))
    check = examine(aws, tmp_path)["Execution role"]
    assert not check.ok
    assert "update-assume-role-policy" in check.fix


def test_a_bucket_of_another_region_is_told(aws: FakeAws, tmp_path: Path) -> None:
    aws.faults.plan("s3:GET", AwsFault(code="NoSuchBucket", message="The specified bucket does not exist", status=404))
    check = examine(aws, tmp_path)["Bucket"]
    assert not check.ok
    assert "DIGITS_S3_BUCKET" in check.fix


def test_credentials_that_ran_out_are_told_everywhere(aws: FakeAws, tmp_path: Path) -> None:
    aws.faults.plan("*", EXPIRED, times=-1)
    checks = examine(aws, tmp_path)
    assert [name for name, check in checks.items() if check.ok] == []
    assert all("Sign in again" in check.fix for check in checks.values())


def test_what_we_may_not_look_at_is_no_illness(aws: FakeAws, tmp_path: Path) -> None:
    make_well(aws)
    aws.faults.plan("DescribeImages", AwsFault(code="AccessDeniedException", message="no"), times=-1)
    checks = examine(aws, tmp_path)
    assert checks["Triton image"].ok
    assert "we may not look" in checks["Triton image"].detail


@pytest.mark.parametrize(
    ("arn", "source"),
    [
        ("arn:aws:sts::123456789012:assumed-role/Admin/ada@example.org", "arn:aws:iam::123456789012:role/Admin"),
        ("arn:aws:iam::123456789012:user/ada", "arn:aws:iam::123456789012:user/ada"),
    ],
)
def test_a_session_is_simulated_by_its_role(arn: str, source: str) -> None:
    assert _source_of(arn) == source
