"""What an endpoint serves, read from what SageMaker says: its config, that one's model, and where the model's data is.

Configs and models cannot be changed, only deleted, so each is asked about once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.adapters.sagemaker.errors import LostRaceError, translating
from backend.adapters.sagemaker.hosted import IN_SERVICE, Look
from backend.adapters.sagemaker.names import sha256_of_key
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.records import from_document, to_document
from backend.adapters.sagemaker.serving_requests import VERSION_VARIABLE, Hosting
from backend.adapters.sagemaker.session import Aws
from backend.domain.drift import Difference
from backend.domain.serving import ServedModel, Stage
from backend.errors import NotFoundError


@dataclass(frozen=True, kw_only=True)
class Pending:
    """What SageMaker was asked to change the endpoint to."""

    model: ServedModel
    config: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the last finished deployment asked for; `model` None after the endpoint was deleted.

    `config` serves it, `previous_config` served before it and is kept for going back. `pending` is there from the
    moment that SageMaker is asked until the deployment has ended: one whose process died in between is ended by
    SageMaker alone, and this tells what it came to.
    """

    model: ServedModel | None
    config: str = ""
    previous_config: str = ""
    since: datetime | None = None
    pending: Pending | None = None

    def in_force(self, look: Look | None) -> Wanted:
        """What is wanted of an endpoint that looks so: the pending model once its config is the endpoint's."""
        if self.pending is None or look is None or look.config != self.pending.config:
            return self
        return Wanted(
            model=self.pending.model,
            config=self.pending.config,
            previous_config=self.config if self.config != self.pending.config else self.previous_config,
            since=self.since if self.model == self.pending.model else look.changed,
        )


@dataclass(frozen=True, kw_only=True)
class ServedConfig:
    """One endpoint config as it is: `model` is None when it does not serve an archive of ours."""

    config: str
    model_name: str
    model_data: str
    image: str
    instance_type: str
    instances: int
    model: ServedModel | None

    @property
    def hosted(self) -> Mapping[str, str]:
        """What it runs on, by the model configuration's keys."""
        return {
            "triton_image_uri": self.image,
            "instance_type": self.instance_type,
            "instance_count": str(self.instances),
        }


class WantedStore:
    """`deployments/<endpoint>/wanted.json`, shared by dashboards and CI."""

    def __init__(self, bucket: Bucket, folder: str) -> None:
        self._bucket = bucket
        self._key = f"{folder}wanted.json"

    def read(self) -> Wanted:
        stored = self._bucket.look(self._key)
        if stored is None:
            return Wanted(model=None)
        return from_document(Wanted, stored.document, where=self._bucket.uri(self._key))

    def write(self, wanted: Wanted) -> None:
        """The caller holds the stage; the condition catches one who lost it in this very moment."""
        stored = self._bucket.look(self._key)
        if stored is None:
            self._bucket.create(self._key, to_document(wanted))
            return
        if from_document(Wanted, stored.document, where=self._bucket.uri(self._key)) == wanted:
            return
        try:
            self._bucket.replace(self._key, to_document(wanted), etag=stored.etag)
        except LostRaceError:
            if self.read() != wanted:  # else our own first attempt arrived, and only its answer was lost
                raise


class Configs:
    """What endpoint configs serve; one per process, shared by its threads."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._known: dict[str, ServedConfig] = {}

    def read(self, name: str, *, again: bool = False) -> ServedConfig | None:
        """None when the config or its model was deleted: the endpoint goes on, but nobody can say with what.

        `again` asks SageMaker although it was asked before: a name can be deleted and made anew.
        """
        if again or name not in self._known:
            try:
                self._known[name] = self._ask(name)
            except NotFoundError:
                return None
        return self._known[name]

    def _ask(self, name: str) -> ServedConfig:
        sagemaker = self._aws.sagemaker()
        with translating(f"describe the endpoint config '{name}'"):
            variant = sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"][0]
        model_name = variant.get("ModelName", "")
        with translating(f"describe the model '{model_name}'"):
            described = sagemaker.describe_model(ModelName=model_name)
        container: Mapping[str, Any] = described.get("PrimaryContainer", {})
        return ServedConfig(
            config=name,
            model_name=model_name,
            model_data=container.get("ModelDataUrl", ""),
            image=container.get("Image", ""),
            instance_type=variant.get("InstanceType", ""),
            instances=variant.get("InitialInstanceCount", 0),
            model=_model(container),
        )


def _model(container: Mapping[str, Any]) -> ServedModel | None:
    version = container.get("Environment", {}).get(VERSION_VARIABLE, "")
    sha256 = sha256_of_key(container.get("ModelDataUrl", ""))
    return ServedModel(version=int(version), sha256=sha256) if version.isdigit() and sha256 else None


def drifted(wanted: Wanted, look: Look, served: ServedModel | None) -> tuple[Difference, ...]:
    """What somebody changed past the deployments: configs cannot change, so another config is all that there can be.

    Empty while anything is under way, and where no deployment ever ended.
    """
    if look.status != IN_SERVICE or wanted.pending is not None or wanted.model is None or look.config == wanted.config:
        return ()
    found = [Difference(what="endpoint config", wanted=wanted.config, served=look.config)]
    if served is None:
        return (*found, Difference(what="archive", wanted=_short(wanted.model.sha256), served="none of ours"))
    if served.version != wanted.model.version:
        found.append(Difference(what="version", wanted=str(wanted.model.version), served=str(served.version)))
    if served.sha256 != wanted.model.sha256:
        found.append(Difference(what="archive", wanted=_short(wanted.model.sha256), served=_short(served.sha256)))
    return tuple(found)


def hosted_otherwise(served: ServedConfig, declared: Hosting) -> tuple[Difference, ...]:
    """How the config runs its model otherwise than was declared."""
    pairs = (
        ("image", declared.image, served.image),
        ("instance type", declared.instance_type, served.instance_type),
        ("instances", str(declared.instances), str(served.instances)),
    )
    return tuple(Difference(what=what, wanted=wanted, served=is_) for what, wanted, is_ in pairs if wanted != is_)


def _short(sha256: str) -> str:
    return sha256[:12]


def deployments_folder(stage: Stage, suffix: str = "") -> str:
    """Where a stage's records, lock and wanted model are; an endpoint with a name suffix has its own."""
    return f"deployments/{stage.value}/" if not suffix else f"deployments/{suffix}-{stage.value}/"
