"""What an endpoint needs before it can serve a version: the archive on S3, a model, a config; and their collection.

Each is made only where a look shows that it is not there, under a name that its content decides.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from backend.adapters.sagemaker.artifacts import Artifacts
from backend.adapters.sagemaker.errors import TakenError, translating
from backend.adapters.sagemaker.names import parse_content_name
from backend.adapters.sagemaker.serving_requests import Hosting, config_request, model_request, same_content, tagging
from backend.adapters.sagemaker.session import PAGE, Aws
from backend.domain.serving import ServedModel
from backend.errors import DeploymentFailedError, DigitsError, NotFoundError

log = logging.getLogger("endpoint")


class Preparation:
    """Models and configs of the endpoint called `endpoint`."""

    def __init__(self, aws: Aws, artifacts: Artifacts, hosting: Hosting, endpoint: str) -> None:
        self._aws = aws
        self._artifacts = artifacts
        self._hosting = hosting
        self._endpoint = endpoint

    def store(self, archive: Path, target: ServedModel) -> str:
        """Put the archive under its write-once key; its URI."""
        return self._artifacts.keep(archive, target.sha256)

    def config_of(self, target: ServedModel) -> str:
        """The name of the config that serves `target` with today's settings."""
        return str(self._requests(target)[1]["EndpointConfigName"])

    def ensure(self, target: ServedModel) -> str:
        """Make the model and the config that are not there yet; the config's name. The archive must be stored."""
        model, config = self._requests(target)
        sagemaker, tags = self._aws.sagemaker("write"), tagging(self._hosting.tags)
        self._ensure(
            f"model '{model['ModelName']}'",
            model,
            look=lambda: sagemaker.describe_model(ModelName=model["ModelName"]),
            create=lambda: sagemaker.create_model(**model, **tags),
        )
        name = config["EndpointConfigName"]
        self._ensure(
            f"endpoint config '{name}'",
            config,
            look=lambda: sagemaker.describe_endpoint_config(EndpointConfigName=name),
            create=lambda: sagemaker.create_endpoint_config(**config, **tags),
        )
        return str(name)

    def collect(self, keep: Iterable[str]) -> None:
        """Delete this endpoint's configs but `keep`, and the models that none of those uses.

        The caller names every config that the endpoint has or may go back to: SageMaker lets one in use be deleted, and
        then refuses every later update. What cannot be deleted now is tried again after the next deployment.
        """
        kept = set(keep)
        try:
            models = {self._model_of(config) for config in kept}
            for config in [name for name in self._names("endpoint configs") if name not in kept]:
                self._delete("endpoint config", config)
            for model in [name for name in self._names("models") if name not in models]:
                self._delete("model", model)
        except DigitsError as error:
            log.warning("%s: older configs are left for now: %s", self._endpoint, error.message)

    def _requests(self, target: ServedModel) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        model = model_request(self._endpoint, target, self._artifacts.uri(target.sha256), self._hosting)
        return model, config_request(self._endpoint, target, model["ModelName"], self._hosting)

    @staticmethod
    def _ensure(what: str, request: Mapping[str, Any], *, look: Any, create: Any) -> None:
        try:
            with translating(f"describe the {what}"):
                found = look()
        except NotFoundError:
            try:
                with translating(f"create the {what}"):
                    create()
                return
            except TakenError:  # made in this moment, by another deployment or by our own first attempt
                with translating(f"describe the {what}"):
                    found = look()
        if not same_content(request, found):
            raise DeploymentFailedError(
                f"The {what} exists with another content: somebody made it by hand under our name.",
                hint=f"Delete the {what} and deploy again.",
            )

    def _names(self, kind: str) -> Iterator[str]:
        """Those of this endpoint only, whatever other names contain."""
        operation, listed, name = {
            "models": ("list_models", "Models", "ModelName"),
            "endpoint configs": ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
        }[kind]
        with translating(f"list the {kind}"):
            pages = self._aws.sagemaker().get_paginator(operation)  # type: ignore[call-overload]
            for page in pages.paginate(NameContains=self._endpoint, PaginationConfig={"PageSize": PAGE}):
                for entry in page[listed]:
                    if parse_content_name(entry[name], self._endpoint):
                        yield entry[name]

    def _model_of(self, config: str) -> str:
        try:
            with translating(f"describe the endpoint config '{config}'"):
                described = self._aws.sagemaker().describe_endpoint_config(EndpointConfigName=config)
        except NotFoundError:
            return ""
        return described["ProductionVariants"][0].get("ModelName", "")

    def _delete(self, kind: str, name: str) -> None:
        sagemaker = self._aws.sagemaker("write")
        try:
            with translating(f"delete the {kind} '{name}'"):
                if kind == "model":
                    sagemaker.delete_model(ModelName=name)
                else:
                    sagemaker.delete_endpoint_config(EndpointConfigName=name)
        except NotFoundError:
            return
