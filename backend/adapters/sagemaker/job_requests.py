"""From our requests to what SageMaker is asked for: pure, tested alone, and the same for single jobs and trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from backend.adapters.sagemaker.job_records import Launch
from backend.domain.capabilities import Feature, Unsupported, require
from backend.domain.jobs import Compute, TrainingRequest
from backend.domain.search_space import ParameterRange, combinations
from backend.domain.training import NAMED_DATASETS
from backend.domain.tuning import Strategy, TuningRequest
from backend.errors import InvalidInputError

DATA_CHANNEL: Final = "dataset"
MNIST_CHANNEL: Final = "mnist"
INPUT: Final = "/opt/ml/input/data"
WANDB_FOLDER: Final = "/opt/ml/output/data"
"""Offline W&B runs travel in output.tar.gz, and the dashboard syncs them: no key ever reaches a job."""
_DAY_MINUTES: Final = 24 * 60
_GPU_FAMILIES: Final = ("g", "p")
TRIAL_METRICS: Final = 20
"""A tuning job takes no more metric definitions."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the account's settings say about every job.

    `image` is empty for AWS's TensorFlow container. `kms_key` encrypts volumes and outputs. With `subnets` and
    `security_groups` jobs run inside that VPC, which must reach S3 and PyPI (or a mirror of it). `source` is the
    address of an archive of other training code; empty ships this installation's.
    """

    image: str = ""
    instance_type: str = "ml.m5.xlarge"
    volume_gb: int = 30
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    wandb_project: str = "digit_classification"
    source: str = ""

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Site:
        lists = {name: tuple(document[name]) for name in ("subnets", "security_groups")}
        return cls(**{**document, **lists})


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """The parts of a launch that training jobs and tuning jobs share; times in seconds."""

    image: str
    instance_type: str
    volume_gb: int
    spot: bool
    max_run: int
    max_wait: int | None
    hyperparameters: Mapping[str, Any]
    environment: Mapping[str, str]
    tags: Mapping[str, str]


def job_settings(launch: Launch, repository: str) -> JobSettings:
    """What the launch's request and site come to; `repository` is that of AWS's TensorFlow training containers.

    Raises `InvalidInputError` for what SageMaker would refuse.
    """
    request, site = launch.request, Site.from_document(launch.site)
    compute = request.compute
    instance = compute.instance_type or site.instance_type
    hyperparameters = dict(request.hyperparameters)
    if DATA_CHANNEL in launch.channels:
        hyperparameters["dataset"] = container_path(str(request.hyperparameters["dataset"]))
    max_run = (compute.max_minutes or _DAY_MINUTES) * 60
    wait = max(max_run, compute.max_wait_minutes * 60 or 2 * max_run)
    return JobSettings(
        image=site.image or training_image(repository, instance),
        instance_type=instance,
        volume_gb=site.volume_gb,
        spot=compute.spot,
        max_run=max_run,
        max_wait=min(wait, 28 * _DAY_MINUTES * 60) if compute.spot else None,
        hyperparameters=hyperparameters,
        environment=environment(launch),
        tags={**site.tags, "digits:job": request.name, "digits:requested-by": request.requested_by[:256]},
    )


def environment(launch: Launch) -> dict[str, str]:
    """The job's environment: what it is called here, and offline W&B. Nothing secret: everybody may describe a job."""
    request, site = launch.request, Site.from_document(launch.site)
    told = {
        "DIGITS_PRESET": request.preset,
        "DIGITS_REQUESTED_BY": request.requested_by,
        "DIGITS_REQUEST": request.key,
        "DIGITS_CREATED_AT": launch.created_at.isoformat(),
        "DIGITS_INSTANCE": site.instance_type,
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "WANDB_MODE": "offline",
        "WANDB_DIR": WANDB_FOLDER,
        "WANDB_PROJECT": site.wandb_project,
    }
    if isinstance(request, TrainingRequest):
        told["DIGITS_JOB"] = request.name
        if request.resumed_from:
            told["DIGITS_RESUMED_FROM"] = request.resumed_from
    else:
        told |= {"DIGITS_TUNING_JOB": request.name, "WANDB_RUN_GROUP": request.name, "WANDB_JOB_TYPE": "trial"}
    if DATA_CHANNEL in launch.channels:
        told["DIGITS_DATASET"] = str(request.hyperparameters["dataset"])
    if MNIST_CHANNEL in launch.channels:
        told["DIGITS_DATA"] = f"{INPUT}/{MNIST_CHANNEL}/mnist.npz"
    if too_long := [name for name, value in told.items() if len(value) > 512]:
        raise InvalidInputError(f"{too_long[0]} of job '{request.name}' is longer than SageMaker's 512 characters.")
    return told


def training_image(repository: str, instance_type: str) -> str:
    """AWS's TensorFlow 2.21 training container, by the tag that its repository publishes.

    The SDK's own short tag (`2.21-cpu-py312`) is not among those, see
    https://github.com/aws/deep-learning-containers; once it is, `image_uris.retrieve` can name the image whole.
    """
    family = instance_type.split(".")[1][:1]
    device = "gpu-py312-cu129" if family in _GPU_FAMILIES else "cpu-py312"
    return f"{repository}:2.21-{device}-sagemaker"


def container_path(dataset: str) -> str:
    """Where a data set that is uploaded from here lies in the container."""
    folder = f"{INPUT}/{DATA_CHANNEL}"
    return f"{folder}/{dataset.rpartition('/')[2]}" if dataset.endswith(".npz") else folder


def is_path(dataset: str) -> bool:
    """Whether the data set is a file or folder of this machine, which must be uploaded."""
    return dataset not in NAMED_DATASETS and not dataset.startswith("s3://")


@dataclass(frozen=True, kw_only=True)
class Search:
    """A tuning job's own part of the launch. Values are lists of texts; ranges (low, high, scaling)."""

    strategy: str
    objective: str
    direction: str
    max_jobs: int
    max_parallel: int
    early_stopping: bool
    seed: int
    lists: Mapping[str, Sequence[str]]
    whole: Mapping[str, tuple[int, int, str]]
    continuous: Mapping[str, tuple[float, float, str]]
    parents: Sequence[str]
    resource: tuple[int, int] | None
    """Hyperband's fewest and most epochs of a trial."""


def search(request: TuningRequest, unsupported: Unsupported, *, parents: Sequence[str], finished: int = 0) -> Search:
    """The search in SageMaker's words; `finished` trials of the job that is resumed count as this one's.

    Raises `InvalidInputError` and `RefusedError`.
    """
    most = request.max_jobs - finished
    if most < 1:
        raise InvalidInputError(f"All {request.max_jobs} trials of '{request.resumed_from}' have finished.")
    space: Sequence[ParameterRange] = request.space
    if request.strategy is Strategy.GRID:
        space = [_listed(parameter) for parameter in space]
        every = combinations(space)
        assert every is not None  # noqa: S101 - TuningRequest refuses a continuous grid
        if most < every or finished:
            require(Feature.PARTIAL_GRID, unsupported)
        most = every
    elif (every := combinations(space)) is not None:
        most = min(most, every)
    epochs = int(request.hyperparameters.get("epochs", 0))
    return Search(
        strategy=request.strategy.value,
        objective=request.objective,
        direction=request.direction.value,
        max_jobs=most,
        max_parallel=min(request.max_parallel, most),
        early_stopping=request.early_stopping,
        # The SDK leaves out a seed of 0, https://github.com/aws/sagemaker-python-sdk; ours is never 0.
        seed=request.seed + 1,
        lists={one.name: [str(value) for value in one.values] for one in space if one.values},
        whole={one.name: (int(one.low), int(one.high), _scaling(one)) for one in space if one.integer},
        continuous={one.name: (one.low, one.high, _scaling(one)) for one in space if one.is_continuous},
        parents=parents,
        resource=(1, epochs) if request.strategy is Strategy.HYPERBAND else None,
    )


def _listed(parameter: ParameterRange) -> ParameterRange:
    """Grid search takes lists only."""
    if parameter.values:
        return parameter
    return ParameterRange(name=parameter.name, values=tuple(range(int(parameter.low), int(parameter.high) + 1)))


def _scaling(parameter: ParameterRange) -> str:
    return "Logarithmic" if parameter.log else "Linear"


def compute_of(told: Mapping[str, Any], site_instance: str) -> Compute:
    """The other way round: what a described job was asked to run on."""
    stopping = told.get("StoppingCondition", {})
    instance = told.get("ResourceConfig", {}).get("InstanceType", "")
    minutes = math.ceil(stopping.get("MaxRuntimeInSeconds", 0) / 60)
    return Compute(
        instance_type="" if instance == site_instance else instance,
        spot=bool(told.get("EnableManagedSpotTraining")),
        max_minutes=0 if minutes == _DAY_MINUTES else minutes,
    )
