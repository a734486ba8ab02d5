"""IAM, as far as the product's policies go: which permissions a recorded call needs, and whether policies give them.

Written from the service authorization reference, https://docs.aws.amazon.com/service-authorization/latest/reference/.
It knows Allow statements with `*` in actions and resources, and the conditions StringEquals, StringLike and Null.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.adapters.sagemaker.session import Account, Aws

_SERVICES = {"sagemaker-runtime": "sagemaker", "service-quotas": "servicequotas", "monitoring": "cloudwatch"}
_S3 = {
    "PutObject": "PutObject",
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "DeleteObject": "DeleteObject",
    "ListObjectsV2": "ListBucket",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketVersioning": "GetBucketVersioning",
}
_FREE = {"sts:GetCallerIdentity"}
"""Nobody can be forbidden to ask who they are."""
_KINDS = {
    "EndpointName": "endpoint",
    "EndpointConfigName": "endpoint-config",
    "ModelName": "model",
    "ModelPackageGroupName": "model-package-group",
}
_CREATES_PACKAGE = "sagemaker:CreateModelPackage"


@dataclass(frozen=True, kw_only=True)
class Need:
    """One permission: action, resource, and the keys that conditions may look at."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


class Recorder:
    """Writes down what each client of `aws` asks for; must be there before the first client is made."""

    def __init__(self, account: Account) -> None:
        self.aws = Aws(account)
        self.needs: list[Need] = []
        self.aws.session.events.register("before-parameter-build.*.*", self._note)

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.needs += needed(model.service_model.service_name, model.name, params, self.aws.account)


def needed(service: str, operation: str, params: Mapping[str, Any], account: Account) -> Sequence[Need]:
    """What AWS checks before it does this."""
    if service == "s3":
        return [_s3(operation, params)]
    action = f"{_SERVICES.get(service, service)}:{operation}"
    if action in _FREE:
        return []
    if service in ("sagemaker", "sagemaker-runtime"):
        needs = [Need(action=action, resource=resource) for resource in _sagemaker(action, params, account)]
        if params.get("Tags"):
            needs += [
                Need(action="sagemaker:AddTags", resource=resource)
                for resource in _sagemaker(action, params, account)
                if operation != "CreateEndpoint" or ":endpoint/" in resource  # what is made, not what it is made from
            ]
        role = params.get("ExecutionRoleArn") or params.get("RoleArn")
        if role:
            passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
            needs.append(Need(action="iam:PassRole", resource=role, context=passed))
        return needs
    return [
        Need(action=action, resource=resource, context=context) for resource, context in _other(action, params, account)
    ]


def _s3(operation: str, params: Mapping[str, Any]) -> Need:
    resource = f"arn:aws:s3:::{params['Bucket']}"
    if "Key" in params:
        resource += f"/{params['Key']}"
    context = {"s3:if-none-match": params["IfNoneMatch"]} if "IfNoneMatch" in params else {}
    return Need(action=f"s3:{_S3[operation]}", resource=resource, context=context)


def _sagemaker(action: str, params: Mapping[str, Any], account: Account) -> Iterable[str]:
    if action == "sagemaker:ListTags":
        return [params["ResourceArn"]]
    if action.startswith("sagemaker:List"):
        return ["*"]
    here = f"arn:aws:sagemaker:{account.region}:{account.role.split(':')[4]}:"
    found = [f"{here}{kind}/{params[name].lower()}" for name, kind in _KINDS.items() if name in params]
    if action == _CREATES_PACKAGE:
        found.append(f"{here}model-package/{params['ModelPackageGroupName']}/*")
    return found + [params[name] for name in ("ModelPackageName", "ModelPackageArn") if name in params]


def _other(action: str, params: Mapping[str, Any], account: Account) -> Iterable[tuple[str, Mapping[str, str]]]:
    service = action.partition(":")[0]
    number = account.role.split(":")[4]
    here = f"{account.region}:{number}"
    if action == "cloudwatch:PutMetricAlarm":
        return [(f"arn:aws:cloudwatch:{here}:alarm:{params['AlarmName']}", {})]
    if action == "cloudwatch:DeleteAlarms":
        return [(f"arn:aws:cloudwatch:{here}:alarm:{name}", {}) for name in params["AlarmNames"]]
    if service == "application-autoscaling" and not action.startswith("application-autoscaling:Describe"):
        target = f"arn:aws:application-autoscaling:{here}:scalable-target/0123"
        return [(target, {"application-autoscaling:service-namespace": params["ServiceNamespace"]})]
    if action == "iam:GetRole":
        return [(f"arn:aws:iam::{number}:role/{params['RoleName']}", {})]
    if action == "ecr:DescribeImages":
        where = f"{account.region}:{params['registryId']}"
        return [(f"arn:aws:ecr:{where}:repository/{params['repositoryName']}", {})]
    return [("*", {})]


class Policy:
    """One of the files under docs/iam, with its placeholders filled in."""

    def __init__(self, path: Path, account: Account) -> None:
        self.name = path.stem
        text = path.read_text(encoding="utf-8")
        for placeholder, value in (
            ("EXECUTION_ROLE_ARN", account.role),
            ("ACCOUNT", account.role.split(":")[4]),
            ("REGION", account.region),
            ("BUCKET", account.bucket),
        ):
            text = text.replace(placeholder, value)
        self.document: Mapping[str, Any] = json.loads(text)

    @property
    def statements(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.document["Statement"]
        return found

    def allows(self, need: Need) -> bool:
        return any(_permits(statement, need) for statement in self.statements)


def _permits(statement: Mapping[str, Any], need: Need) -> bool:
    return (
        statement["Effect"] == "Allow"
        and any(fnmatch.fnmatchcase(need.action.lower(), action.lower()) for action in statement["Action"])
        and any(fnmatch.fnmatchcase(need.resource, resource) for resource in statement["Resource"])
        and all(_holds(kind, tests, need.context) for kind, tests in statement.get("Condition", {}).items())
    )


def _holds(kind: str, tests: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    for key, wanted in tests.items():
        values = [wanted] if isinstance(wanted, str) else wanted
        if kind == "Null":
            if (key not in context) is not (wanted == "true"):
                return False
        elif kind in ("StringEquals", "StringLike"):
            if key not in context or not any(fnmatch.fnmatchcase(context[key], value) for value in values):
                return False
        else:
            raise AssertionError(f"the condition {kind} is not understood here")
    return True
