"""The child process that launches one job through the SageMaker SDK: the only module that imports it.

`python -m backend.adapters.sagemaker.launcher NAME`, with the account in its environment. The SDK takes 3 s and 95 MB
to import, so no dashboard does. What to launch is in the bucket (`job_records`); so is what becomes of it.

A launch happens once: a process that cannot claim the attempt leaves; one that can looks whether SageMaker has a job
of this base name already, left by a launcher that died before it could tell.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from backend.adapters.sagemaker import source
from backend.adapters.sagemaker.account import Account
from backend.adapters.sagemaker.errors import translated
from backend.adapters.sagemaker.job_files import copy_checkpoints, upload_data
from backend.adapters.sagemaker.job_records import JobRecords, Launch, Launched, LaunchState
from backend.adapters.sagemaker.job_requests import JobSettings, Site, job_settings, search
from backend.adapters.sagemaker.lookup import Lookup
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.session import Aws
from backend.digits.metric_lines import metric_definitions
from backend.domain.jobs import JobKind, TrainingRequest
from backend.domain.tuning import TuningRequest
from backend.errors import DigitsError

_NO_TELEMETRY: Final[Mapping[str, Any]] = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}
"""Given to the session itself, so that no file of the user's machine decides either."""
_ENVIRONMENT: Final = {
    "SAGEMAKER_VALIDATE_ROLE": "false",  # it would simulate the role's policies, which few callers may
    "AWS_RETRY_MODE": "standard",  # the SDK's own clients, which cannot be given to it
    "AWS_MAX_ATTEMPTS": "8",
}

log = logging.getLogger("digits.launcher")


def launch(name: str, aws: Aws) -> None:
    """Launch the job that is recorded under `name`, unless it is launched, stopped, or another process is at it.

    A failure is the job's, and recorded; nothing is raised for it.
    """
    bucket = Bucket(aws)
    records = JobRecords(bucket)
    found = records.find(name)
    if found is None or records.launched(name) is not None or not records.claim_attempt(name):
        return
    try:
        notices = () if _exists(found, aws, records) else _launch(found, aws, bucket, records)
    except (ClientError, BotoCoreError) as error:
        failure = translated(error, f"launch job '{name}'")
        records.mark_launching(name, LaunchState.FAILED, reason=failure.message, hint=failure.hint)
    except DigitsError as failure:
        records.mark_launching(name, LaunchState.FAILED, reason=failure.message, hint=failure.hint)
    except Exception as error:  # whatever went wrong in here is the job's failure, and must be said
        log.exception("job '%s' could not be launched", name)
        reason = f"The launch failed: {type(error).__name__}: {error}"
        records.mark_launching(name, LaunchState.FAILED, reason=reason[:1000])
    else:
        if notices is not None:
            _conclude(found, aws, records, notices)


def _exists(found: Launch, aws: Aws, records: JobRecords) -> bool:
    return Lookup(aws).sagemaker_name(found) is not None


def _conclude(found: Launch, aws: Aws, records: JobRecords, notices: tuple[str, ...]) -> None:
    """Record SageMaker's name; and stop the job if that was asked for while it was launched."""
    lookup = Lookup(aws)
    sagemaker_name = lookup.sagemaker_name(found, wait=True)
    if sagemaker_name is None:
        reason = "SageMaker accepted the job but does not list it."
        records.mark_launching(found.name, LaunchState.FAILED, reason=reason, hint="Launch it again.")
        return
    state = records.launching(found.name)
    launched = Launched(sagemaker_name=sagemaker_name, at=datetime.now(UTC), notices=notices)
    records.mark_launched(found.name, launched)
    if state is not None and state.state is LaunchState.STOP_WANTED:
        lookup.stop(found, sagemaker_name)


def _launch(found: Launch, aws: Aws, bucket: Bucket, records: JobRecords) -> tuple[str, ...] | None:
    """Prepare and launch; the job's notices, or None when it was stopped before."""
    from sagemaker.core import image_uris

    os.environ.update(_ENVIRONMENT)
    found = upload_data(found, bucket)
    notices = copy_checkpoints(found, bucket)
    site = Site.from_document(found.site)
    instance = found.request.compute.instance_type or site.instance_type
    uri: str = image_uris.retrieve(
        "tensorflow", aws.account.region, version="2.21", image_scope="training", instance_type=instance
    )
    job = job_settings(found, uri.rpartition(":")[0])
    code = site.source or source.upload(bucket)
    state = records.launching(found.name)
    if state is not None and state.state is LaunchState.STOP_WANTED:
        records.mark_launching(found.name, LaunchState.STOPPED)
        return None
    if found.kind is JobKind.TRAINING:
        _train(found, job, code, aws, bucket)
    else:
        _tune(found, job, code, aws, bucket)
    return notices


def _train(found: Launch, job: JobSettings, code: str, aws: Aws, bucket: Bucket) -> None:
    from sagemaker.core.shapes import MetricDefinition

    trainer = _trainer(found, job, code, aws, bucket)
    definitions = [MetricDefinition(name=one["Name"], regex=one["Regex"]) for one in metric_definitions()]
    trainer.with_metric_definitions(definitions).train(
        input_data_config=_channels(found) or None, wait=False, logs=False
    )


def _tune(found: Launch, job: JobSettings, code: str, aws: Aws, bucket: Bucket) -> None:
    from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
    from sagemaker.core.shapes import (
        HyperbandStrategyConfig,
        HyperParameterTuningJobStrategyConfig,
        HyperParameterTuningJobWarmStartConfig,
        ParentHyperParameterTuningJob,
    )
    from sagemaker.train.tuner import HyperparameterTuner

    request = found.request
    assert isinstance(request, TuningRequest)  # noqa: S101 - what a launch of this kind holds
    wanted = search(request, {}, parents=found.parents, finished=found.finished)
    ranges: dict[str, Any] = {name: CategoricalParameter(list(values)) for name, values in wanted.lists.items()}
    for name, (low, high, scaling) in wanted.whole.items():
        ranges[name] = IntegerParameter(low, high, scaling_type=scaling)
    for name, (least, most, scaling) in wanted.continuous.items():
        ranges[name] = ContinuousParameter(least, most, scaling_type=scaling)
    optional: dict[str, Any] = {}
    if wanted.parents:
        optional["warm_start_config"] = HyperParameterTuningJobWarmStartConfig(
            parent_hyper_parameter_tuning_jobs=[
                ParentHyperParameterTuningJob(hyper_parameter_tuning_job_name=parent) for parent in wanted.parents
            ],
            warm_start_type="TransferLearning",
        )
    if wanted.resource:
        least_epochs, most_epochs = wanted.resource
        optional["strategy_config"] = HyperParameterTuningJobStrategyConfig(
            hyperband_strategy_config=HyperbandStrategyConfig(min_resource=least_epochs, max_resource=most_epochs)
        )
    # A ModelTrainer of its own: the tuner adds hyperparameters to it.
    tuner = HyperparameterTuner(
        _trainer(found, job, code, aws, bucket),
        objective_metric_name=wanted.objective,
        objective_type=wanted.direction,
        hyperparameter_ranges=ranges,
        metric_definitions=metric_definitions(),
        strategy=wanted.strategy,
        max_jobs=wanted.max_jobs,
        max_parallel_jobs=wanted.max_parallel,
        early_stopping_type="Auto" if wanted.early_stopping else "Off",
        random_seed=wanted.seed,
        **optional,
    )
    tuner.tune(inputs=_channels(found), job_name=found.base, wait=False)


def _trainer(found: Launch, job: JobSettings, source_dir: str, aws: Aws, bucket: Bucket) -> Any:
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.training.configs import (
        CheckpointConfig,
        Compute,
        Networking,
        OutputDataConfig,
        SourceCode,
        StoppingCondition,
    )
    from sagemaker.train import ModelTrainer

    site = Site.from_document(found.site)
    session = Session(
        boto_session=aws.session,
        sagemaker_client=aws.sagemaker("write"),
        default_bucket=aws.account.bucket,  # else it asks STS at an address of its own
        sagemaker_config=dict(_NO_TELEMETRY),
    )
    waiting = {} if job.max_wait is None else {"max_wait_time_in_seconds": job.max_wait}
    encrypted = {"kms_key_id": site.kms_key} if site.kms_key else {}
    volume = {"volume_kms_key_id": site.kms_key} if site.kms_key else {}
    network = None
    if site.subnets:
        network = Networking(subnets=list(site.subnets), security_group_ids=list(site.security_groups))
    single = isinstance(found.request, TrainingRequest)
    folder = f"jobs/{found.name}"
    return ModelTrainer(
        sagemaker_session=session,
        role=aws.account.role,
        training_image=job.image,
        # For a tuning job it names no job, only where the SDK's drivers go.
        base_job_name=found.base if single else f"digits/drivers/{found.base}",
        input_s3_key_prefix="digits/drivers",
        source_code=SourceCode(
            source_dir=source_dir, entry_script=source.ENTRY_SCRIPT, requirements="requirements.txt"
        ),
        compute=Compute(
            instance_type=job.instance_type,
            instance_count=1,
            volume_size_in_gb=job.volume_gb,
            enable_managed_spot_training=job.spot,
            **volume,
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=job.max_run, **waiting),
        networking=network,
        output_data_config=OutputDataConfig(s3_output_path=bucket.uri(f"{folder}/output"), **encrypted),
        # Trials cannot have a prefix each: they would overwrite each other's checkpoints in one.
        checkpoint_config=CheckpointConfig(s3_uri=bucket.uri(f"{folder}/checkpoints")) if single else None,
        hyperparameters=dict(job.hyperparameters),
        environment=dict(job.environment),
        tags=[{"key": key, "value": value} for key, value in job.tags.items()],
    )


def _channels(found: Launch) -> list[Any]:
    from sagemaker.core.training.configs import InputData

    return [InputData(channel_name=name, data_source=uri) for name, uri in found.channels.items()]


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    launch(sys.argv[1], Aws(Account.from_environ(os.environ)))


if __name__ == "__main__":
    main()
