"""Models, endpoint configs and the model registry: what SageMaker keeps as it was made."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.fakes.aws.faults import AwsFault, validation
from tests.fakes.aws.server import page
from tests.fakes.aws.training import arn

Request = Mapping[str, Any]
Tag = Callable[[str, list[Request]], None]
"""Keeps the tags of a resource, which no description of it tells."""


class ModelsAndConfigs:
    """A part of SageMaker. `has_data` says whether there is an object at a model's `ModelDataUrl`."""

    def __init__(self, has_data: Callable[[str], bool]) -> None:
        self._has_data = has_data
        self.tag: Tag = lambda resource, tags: None
        self.models: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}

    def reset(self) -> None:
        self.models.clear()
        self.configs.clear()

    def create_model(self, asked: Request) -> Request:
        name = asked["ModelName"]
        if name in self.models:
            raise validation(f'Cannot create already existing model "{arn("model", name)}".')
        data = asked["PrimaryContainer"]["ModelDataUrl"]
        if not self._has_data(data):
            raise validation(f"Could not find model data at {data}.")
        self.tag(arn("model", name), asked.get("Tags", []))
        self.models[name] = {**_untagged(asked), "ModelArn": arn("model", name), "CreationTime": datetime.now(UTC)}
        return {"ModelArn": arn("model", name)}

    def describe_model(self, asked: Request) -> Request:
        return self.model(asked["ModelName"])

    def delete_model(self, asked: Request) -> None:
        self.model(asked["ModelName"])
        del self.models[asked["ModelName"]]

    def list_models(self, asked: Request) -> Request:
        entries = [
            {"ModelName": name, "ModelArn": model["ModelArn"], "CreationTime": model["CreationTime"]}
            for name, model in self.models.items()
            if asked.get("NameContains", "") in name
        ]
        return page(entries[::-1], asked, "Models")

    def create_endpoint_config(self, asked: Request) -> Request:
        name = asked["EndpointConfigName"]
        if name in self.configs:
            raise validation(f'Cannot create already existing endpoint configuration "{arn("endpoint-config", name)}".')
        for variant in asked["ProductionVariants"]:
            self.model(variant["ModelName"])
        told = {"EndpointConfigArn": arn("endpoint-config", name), "CreationTime": datetime.now(UTC)}
        self.tag(told["EndpointConfigArn"], asked.get("Tags", []))
        self.configs[name] = {**_untagged(asked), **told}
        return {"EndpointConfigArn": told["EndpointConfigArn"]}

    def describe_endpoint_config(self, asked: Request) -> Request:
        return self.config(asked["EndpointConfigName"])

    def delete_endpoint_config(self, asked: Request) -> None:
        """Also of one that an endpoint names: the service lets you, and the endpoint cannot be updated any more."""
        self.config(asked["EndpointConfigName"])
        del self.configs[asked["EndpointConfigName"]]

    def list_endpoint_configs(self, asked: Request) -> Request:
        entries = [
            {
                "EndpointConfigName": name,
                "EndpointConfigArn": config["EndpointConfigArn"],
                "CreationTime": config["CreationTime"],
            }
            for name, config in self.configs.items()
            if asked.get("NameContains", "") in name
        ]
        return page(entries[::-1], asked, "EndpointConfigs")

    def model(self, name: str) -> dict[str, Any]:
        if name not in self.models:
            raise validation(f'Could not find model "{arn("model", name)}".')
        return self.models[name]

    def config(self, name: str) -> dict[str, Any]:
        if name not in self.configs:
            raise validation(f'Could not find endpoint configuration "{arn("endpoint-config", name)}".')
        return self.configs[name]


class ModelPackages:
    """A part of SageMaker: the registry. Numbers count up and are never used again."""

    def __init__(self) -> None:
        self.tag: Tag = lambda resource, tags: None
        self.groups: dict[str, dict[str, Any]] = {}
        self.packages: dict[str, dict[str, Any]] = {}
        self._numbers: dict[str, itertools.count[int]] = {}
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def reset(self) -> None:
        for kept in (self.groups, self.packages, self._numbers, self._tokens):
            kept.clear()

    def forget_tokens(self) -> None:
        """A token makes a request idempotent for some minutes only."""
        self._tokens.clear()

    def create_model_package_group(self, asked: Request) -> Request:
        name = asked["ModelPackageGroupName"]
        if name in self.groups:
            raise validation(f"Model Package Group already exists: {arn('model-package-group', name)}")
        self.tag(arn("model-package-group", name), asked.get("Tags", []))
        self.groups[name] = {
            **_untagged(asked),
            "ModelPackageGroupArn": arn("model-package-group", name),
            "CreationTime": datetime.now(UTC),
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
        }
        self._numbers[name] = itertools.count(1)
        return {"ModelPackageGroupArn": arn("model-package-group", name)}

    def describe_model_package_group(self, asked: Request) -> Request:
        return self._group(asked["ModelPackageGroupName"])

    def delete_model_package(self, asked: Request) -> None:
        self._package(asked["ModelPackageName"])
        del self.packages[asked["ModelPackageName"]]

    def delete_model_package_group(self, asked: Request) -> None:
        name = asked["ModelPackageGroupName"]
        self._group(name)
        if any(package["ModelPackageName"] == name for package in self.packages.values()):
            raise validation(f"Model package group {arn('model-package-group', name)} is not empty.")
        del self.groups[name]

    def create_model_package(self, asked: Request) -> Request:
        group = asked["ModelPackageGroupName"]
        self._group(group)
        if asked.get("Tags"):
            raise validation("Tags cannot be given for a versioned model package: it takes those of its group.")
        with self._lock:
            token = asked.get("ClientToken", "")
            if token and token in self._tokens:
                return {"ModelPackageArn": self._tokens[token]}
            number = next(self._numbers[group])
            name = arn("model-package", f"{group}/{number}")
            self.packages[name] = {
                **{key: value for key, value in asked.items() if key not in ("ClientToken", "Tags")},
                "ModelPackageName": group,
                "ModelPackageVersion": number,
                "ModelPackageArn": name,
                "CreationTime": datetime.now(UTC),
                "ModelPackageStatus": "Completed",
                "ModelPackageStatusDetails": {"ValidationStatuses": []},
            }
            if token:
                self._tokens[token] = name
        return {"ModelPackageArn": name}

    def describe_model_package(self, asked: Request) -> Request:
        return self._package(asked["ModelPackageName"])

    def update_model_package(self, asked: Request) -> Request:
        package = self._package(asked["ModelPackageArn"])
        kept = {**package.get("CustomerMetadataProperties", {}), **asked.get("CustomerMetadataProperties", {})}
        package |= {key: value for key, value in asked.items() if key != "ModelPackageArn"}
        if kept:
            package["CustomerMetadataProperties"] = kept
        return {"ModelPackageArn": package["ModelPackageArn"]}

    def list_model_packages(self, asked: Request) -> Request:
        group = asked["ModelPackageGroupName"]
        self._group(group)
        told = (
            *("ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "ModelPackageDescription"),
            *("CreationTime", "ModelPackageStatus", "ModelApprovalStatus"),
        )
        entries = [
            {key: package[key] for key in told if key in package}
            for package in self.packages.values()
            if package["ModelPackageGroupName"] == group
        ]
        return page(entries[::-1], asked, "ModelPackageSummaryList")

    def _group(self, name: str) -> dict[str, Any]:
        if name not in self.groups:
            raise validation(f"ModelPackageGroup {arn('model-package-group', name)} does not exist.")
        return self.groups[name]

    def _package(self, name: str) -> dict[str, Any]:
        if name not in self.packages:
            raise validation(f"ModelPackage {name} does not exist.")
        return self.packages[name]


QUOTA_CODE = "SERVICE_QUOTA"


def limit_exceeded(instance_type: str, limit: int, used: int, wanted: int) -> AwsFault:
    return AwsFault(
        code="ResourceLimitExceeded",
        message=(
            f"The account-level service limit '{instance_type} for endpoint usage' is {limit} Instances, with current "
            f"utilization of {used} Instances and a request delta of {wanted} Instances. Please use AWS Service Quotas "
            "to request an increase for this quota."
        ),
    )


def _untagged(asked: Request) -> dict[str, Any]:
    return {key: value for key, value in asked.items() if key != "Tags"}
