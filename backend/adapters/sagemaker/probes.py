"""What the doctor asks of an AWS account, for serving: who we are, what we may, what there is, and what to do about it.

Every probe only looks, but for the bucket's, which writes one small object of its own over and over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from backend.adapters.sagemaker.alarms import Alarms, alarm_names
from backend.adapters.sagemaker.endpoint_limits import quota_name, read_quota
from backend.adapters.sagemaker.errors import is_denied, translating
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.serving_requests import Hosting
from backend.adapters.sagemaker.session import Aws
from backend.domain.serving import EndpointStatus, Stage
from backend.errors import AccessError, NotFoundError, PlatformError, SetupError, StoreError
from backend.ports.probes import Probe
from backend.ports.serving import ServingPlatform

_PROBE_KEY: Final = "doctor/probe.json"
_IMAGE: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[^:@]+):(?P<tag>[^@]+)"
)
_TRUSTED: Final = "sagemaker.amazonaws.com"


def serving_probes(aws: Aws, bucket: Bucket, serving: ServingPlatform, hosting: Hosting) -> Sequence[Probe]:
    """Quick ones first; each takes one call or a few."""
    probes = [
        Probe(name="AWS identity", look=lambda: _identity(aws)),
        Probe(name="Execution role", look=lambda: _role(aws)),
        Probe(name="PassRole", look=lambda: _pass_role(aws)),
        Probe(name="Bucket", look=lambda: _bucket(aws, bucket)),
        Probe(name="Triton image", look=lambda: _image(aws, hosting)),
        Probe(name="Endpoint quota", look=lambda: _quota(aws, hosting)),
    ]
    probes += [Probe(name=f"{stage.value.capitalize()} endpoint", look=_endpoint(serving, stage)) for stage in Stage]
    return [*probes, *(Probe(name=f"{s.value.capitalize()} alarms", look=_alarms(aws, s)) for s in Stage)]


def _identity(aws: Aws) -> str:
    with translating("ask who we are"):
        who = aws.sts.get_caller_identity()
    account = aws.account.role.split(":")[4]
    if who["Account"] != account:
        raise SetupError(
            f"We are signed in to account {who['Account']}, but the role in SM_ARN_ROLE is of account {account}.",
            hint="Use credentials of the role's account (AWS_PROFILE), or name a role of this one in SM_ARN_ROLE.",
        )
    return f"{who['Arn']} in {aws.account.region}"


def _role(aws: Aws) -> str:
    """Exists, and SageMaker may become it."""
    name = aws.account.role.rpartition("/")[2]
    try:
        with translating(f"look at the role '{name}'"):
            role = aws.client("iam").get_role(RoleName=name)["Role"]
    except NotFoundError:
        raise SetupError(
            f"There is no role '{name}'.",
            hint="Create it with docs/iam/execution-role-trust.json and docs/iam/execution-role.json.",
        ) from None
    trust = role["AssumeRolePolicyDocument"]
    if not any(_trusts(statement) for statement in trust.get("Statement", [])):
        raise SetupError(
            f"SageMaker may not become '{name}': its trust policy does not name {_TRUSTED}.",
            hint=f"aws iam update-assume-role-policy --role-name {name} "
            "--policy-document file://docs/iam/execution-role-trust.json",
        )
    return f"{name}, trusted by SageMaker"


def _trusts(statement: dict[str, object]) -> bool:
    principal = statement.get("Principal")
    named = principal.get("Service", []) if isinstance(principal, dict) else []
    services = [named] if isinstance(named, str) else list(named)
    return statement.get("Effect") == "Allow" and _TRUSTED in services


def _pass_role(aws: Aws) -> str:
    """Asked of IAM's own simulator: the one way to know before the first model is created."""
    with translating("ask who we are"):
        arn = aws.sts.get_caller_identity()["Arn"]
    if arn.endswith(":root"):
        return "the account's root user may pass any role"
    try:
        with translating("ask what we may"):
            answer = aws.client("iam").simulate_principal_policy(
                PolicySourceArn=_source_of(arn),
                ActionNames=["iam:PassRole"],
                ResourceArns=[aws.account.role],
                ContextEntries=[
                    {
                        "ContextKeyName": "iam:PassedToService",
                        "ContextKeyValues": [_TRUSTED],
                        "ContextKeyType": "string",
                    }
                ],
            )
    except AccessError as error:
        if not is_denied(error):
            raise
        return "not looked up: we may not ask IAM's simulator; the first training or deployment will tell"
    decision = answer["EvaluationResults"][0]["EvalDecision"]
    if decision != "allowed":
        raise AccessError(
            f"We may not hand the role {aws.account.role} to SageMaker: IAM says {decision}.",
            hint=f'Add to the policy of {arn}: {{"Effect": "Allow", "Action": "iam:PassRole", "Resource": '
            f'"{aws.account.role}", "Condition": {{"StringEquals": {{"iam:PassedToService": "{_TRUSTED}"}}}}}}',
        )
    return "we may hand the execution role to SageMaker"


def _source_of(arn: str) -> str:
    """An assumed role's session is simulated by its role: arn:aws:sts::1:assumed-role/name/session."""
    match = re.fullmatch(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.+", arn)
    return f"arn:{match[1]}:iam::{match[2]}:role/{match[3]}" if match else arn


def _bucket(aws: Aws, bucket: Bucket) -> str:
    """In our region, writable, and its conditional writes hold: locks and records rest on them."""
    name = aws.account.bucket
    with translating(f"look at the bucket '{name}'"):
        told = aws.s3().get_bucket_location(Bucket=name)["LocationConstraint"] or "us-east-1"
    region = {"EU": "eu-west-1"}.get(str(told), str(told))
    if region != aws.account.region:
        raise SetupError(
            f"The bucket '{name}' is in {region}, but SageMaker is used in {aws.account.region}.",
            hint="Use a bucket in the same region: name it in DIGITS_S3_BUCKET.",
        )
    bucket.put(_PROBE_KEY, {"at": datetime.now(UTC).isoformat()})
    if bucket.find(_PROBE_KEY) is None:
        raise StoreError(f"What was written to the bucket '{name}' is not there.", hint="Look at its lifecycle rules.")
    with translating(f"look at the versioning of '{name}'"):
        versions = aws.s3().get_bucket_versioning(Bucket=name).get("Status", "off")
    kept = (
        "versions are kept" if versions == "Enabled" else "versions are not kept: turn versioning on for the audit log"
    )
    return f"s3://{name} in {region} can be written; {kept}"


def _image(aws: Aws, hosting: Hosting) -> str:
    found = _IMAGE.fullmatch(hosting.image)
    if found is None:
        return f"{hosting.image} (no ECR image: not looked up)"
    short = f"{found['name']}:{found['tag']}"
    try:
        with translating(f"look for the image '{short}'"):
            aws.client("ecr", region=found["region"]).describe_images(
                registryId=found["account"], repositoryName=found["name"], imageIds=[{"imageTag": found["tag"]}]
            )
    except NotFoundError:
        raise SetupError(
            f"There is no image {hosting.image}.",
            hint="Name another one in DIGITS_TRITON_IMAGE; AWS lists its tags under "
            "https://github.com/aws/deep-learning-containers.",
        ) from None
    except AccessError as error:
        if not is_denied(error):
            raise
        # AWS lets everybody pull its images, but not always describe them.
        return f"{short} of account {found['account']} (we may not look; SageMaker may still pull it)"
    return f"{short} is there"


def _quota(aws: Aws, hosting: Hosting) -> str:
    name = quota_name(hosting.instance_type)
    quota = read_quota(aws, name)
    if quota is None:
        return f"Service Quotas knows no '{name}'"
    # Two stages, and one of them at a time with both its fleets.
    needed = hosting.instances * (len(Stage) + 1)
    if quota < needed:
        raise PlatformError(
            f"The account's quota '{name}' is {quota}; staging, prod and one update at a time need {needed}.",
            hint=f"Ask for more under Service Quotas, Amazon SageMaker, '{name}', or choose another type with "
            "DIGITS_ENDPOINT_INSTANCE.",
        )
    return f"{quota} {hosting.instance_type}, {needed} needed at most"


def _endpoint(serving: ServingPlatform, stage: Stage) -> Callable[[], str]:
    def look() -> str:
        endpoint = serving.describe(stage)
        if endpoint.status in (EndpointStatus.FAILED, EndpointStatus.UNKNOWN):
            raise PlatformError(
                f"'{endpoint.name}' is {endpoint.status.value}. {endpoint.detail}",
                hint=f"python -m backend endpoints restart --stage {stage.value}",
            )
        version = f", version {endpoint.served.version}" if endpoint.served else ""
        return f"{endpoint.name} is {endpoint.status.value}{version}"

    return look


def _alarms(aws: Aws, stage: Stage) -> Callable[[], str]:
    def look() -> str:
        wanted = alarm_names(stage.endpoint_name)
        existing = Alarms(aws).existing(stage.endpoint_name)
        missing = [name for name in wanted if name not in existing]
        if missing:
            raise SetupError(
                f"There is no alarm {' and no '.join(missing)}: a bad version is not taken back by itself.",
                hint=f"python -m backend endpoints alarms --stage {stage.value}",
            )
        return f"{' and '.join(wanted)} take a bad version back"

    return look
