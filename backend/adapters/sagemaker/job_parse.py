"""From what SageMaker tells of jobs to ours: pure, tested alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from backend.adapters.sagemaker.job_records import Launch, Launched, Launching, LaunchState
from backend.adapters.sagemaker.job_requests import compute_of
from backend.domain.jobs import Billing, JobStatus, MetricPoint, TrainingJob, TrainingRequest
from backend.domain.training import PRESETS, Value, epochs_of, hyperparameter
from backend.domain.tuning import Trial, TuningRequest
from backend.errors import InvalidInputError, WrongStateError

_ENDING: Final = re.compile(r",?\s*exit code:?\s*(\d+)\s*$", re.IGNORECASE)
_TOOLKIT: Final = re.compile(
    r'ExecuteUserScriptError:\s*(?:ExitCode (\d+)\s*)?ErrorMessage "(.*)"\s*Command', re.DOTALL
)
_ERROR_NAME: Final = re.compile(r"^[\w.]*(?:Error|Exception): ")
_NOT_OURS: Final = ("sagemaker_", "_tuning_", "model_dir")
LAUNCHER_DIED: Final = "Its launch did not end: the process that launched it was killed."


def training_request(told: Mapping[str, Any], tuning_job: str = "") -> TrainingRequest:
    """What a described job was asked for, from its own environment and hyperparameters."""
    environment: Mapping[str, str] = told.get("Environment", {})
    name = environment.get("DIGITS_JOB") or str(told["TrainingJobName"])
    values = hyperparameters(told.get("HyperParameters", {}))
    if "DIGITS_DATASET" in environment:
        values["dataset"] = environment["DIGITS_DATASET"]
    preset = environment.get("DIGITS_PRESET", "")
    return TrainingRequest(
        name=name,
        preset=preset if preset in PRESETS else "",
        hyperparameters=values,
        requested_by=environment.get("DIGITS_REQUESTED_BY", ""),
        key=environment.get("DIGITS_REQUEST", "") if "DIGITS_JOB" in environment else f"trial-{name}",
        resumed_from=environment.get("DIGITS_RESUMED_FROM", ""),
        tuning_job=tuning_job or environment.get("DIGITS_TUNING_JOB", ""),
        compute=compute_of(told, environment.get("DIGITS_INSTANCE", "")),
    )


def hyperparameters(told: Mapping[str, str]) -> dict[str, Value]:
    """SageMaker's texts in their own types, without what the SDK and the tuner add."""
    values: dict[str, Value] = {}
    for name, text in told.items():
        if name.startswith(_NOT_OURS):
            continue
        try:
            values[name] = hyperparameter(name).parse(text.strip('"'))
        except InvalidInputError:
            values[name] = text
    return values


def training_job(
    told: Mapping[str, Any],
    request: TrainingRequest,
    *,
    created_at: datetime | None = None,
    notices: Sequence[str] = (),
    points: Sequence[MetricPoint] = (),
    last_line: str = "",
    sha256: str = "",
    output: str = "",
    price: float | None = None,
) -> TrainingJob:
    """The job that SageMaker describes; `points`, `notices` and `last_line` are what its log said, if it was read."""
    status = status_of(told["TrainingJobStatus"])
    metrics = {one["MetricName"]: float(one["Value"]) for one in told.get("FinalMetricDataList", [])}
    for point in points:
        metrics |= point.values
    progress = metrics.pop("progress", 0.0)
    completed = status is JobStatus.COMPLETED
    return TrainingJob(
        request=request,
        status=status,
        created_at=created_at or told["CreationTime"],
        started_at=told.get("TrainingStartTime"),
        ended_at=told.get("TrainingEndTime") if status.is_terminal else None,
        failure_reason=failure_reason(told.get("FailureReason", ""), last_line) if status is JobStatus.FAILED else "",
        progress=1.0 if completed else progress,
        metrics=metrics,
        notices=(*notices, *interruptions(told)),
        archive=told.get("ModelArtifacts", {}).get("S3ModelArtifacts", "") if completed else "",
        sha256=sha256 if completed else "",
        output=output if completed else "",
        run=str(told["TrainingJobName"]) if status.is_terminal and metrics else "",
        billing=billing(told, price),
    )


def unlaunched_job(launch: Launch, launching: Launching | None, now: datetime, lease_seconds: float) -> TrainingJob:
    """A job that SageMaker does not know (yet): its launch is on its way, or ended so."""
    assert isinstance(launch.request, TrainingRequest)  # noqa: S101 - asked for a training job
    status, reason = unlaunched(launching, launch.created_at, now, lease_seconds)
    ended = launching.since if launching is not None and status.is_terminal else now if status.is_terminal else None
    return TrainingJob(
        request=launch.request,
        status=status,
        created_at=launch.created_at,
        ended_at=ended,
        failure_reason=reason,
    )


def unlaunched(
    launching: Launching | None, created_at: datetime, now: datetime, lease_seconds: float
) -> tuple[JobStatus, str]:
    """Status and reason of a job before SageMaker knows it."""
    since = created_at if launching is None else launching.since
    match launching.state if launching is not None else LaunchState.LAUNCHING:
        case LaunchState.FAILED:
            assert launching is not None  # noqa: S101
            return JobStatus.FAILED, f"{launching.reason} {launching.hint}".strip()
        case LaunchState.STOPPED:
            return JobStatus.STOPPED, ""
        case state:
            if (now - since).total_seconds() > lease_seconds:
                return JobStatus.FAILED, LAUNCHER_DIED
            return (JobStatus.STOPPING if state is LaunchState.STOP_WANTED else JobStatus.PENDING), ""


def status_of(told: str) -> JobStatus:
    """SageMaker's status of a training or tuning job; those that pass (`Deleting`) read as Stopping."""
    return {status.value: status for status in JobStatus}.get(told, JobStatus.STOPPING)


def failure_reason(told: str, last_line: str) -> str:
    """The trainer's own reason where it left one; what SageMaker says of a lost machine; else the log's last line.

    SageMaker tells a failed trainer as `AlgorithmError: <the file /opt/ml/output/failure>, exit code: N`.
    """
    if told.startswith("InternalServerError"):
        return f"Its machine died: SageMaker says '{told}'. Resume goes on from the last checkpoint."
    if not told.startswith("AlgorithmError:"):
        return told or "SageMaker gives no reason."
    said = told.removeprefix("AlgorithmError:").strip()
    code = _ENDING.search(said)
    reason = _ENDING.sub("", said).strip()
    if (by_toolkit := _TOOLKIT.search(reason)) is not None:
        # Trials: the training toolkit writes over the trainer's file, with the end of its standard error.
        lines = [line.strip() for line in by_toolkit[2].splitlines() if line.strip()]
        reason = _ERROR_NAME.sub("", lines[-1]) if lines and _ERROR_NAME.match(lines[-1]) else ""
        last_line = last_line or (lines[-1] if lines else "")
    if reason and "Training Execution failed" not in reason and not reason.startswith("Traceback"):
        return reason
    ending = f"The trainer ended with exit code {code[1] if code else 'unknown'}."
    return f"{ending} Its last line: {last_line[:500]}" if last_line else ending


def interruptions(told: Mapping[str, Any]) -> list[str]:
    """Notices about spot capacity that was taken away and a time limit that was met."""
    statuses = [one["Status"] for one in told.get("SecondaryStatusTransitions", [])]
    found = []
    if count := statuses.count("Interrupted"):
        found.append(f"Spot capacity was taken away {count} times; the job went on from its checkpoints.")
    if "MaxRuntimeExceeded" in statuses:
        found.append("It was stopped at its time limit.")
    if "MaxWaitTimeExceeded" in statuses:
        found.append("No spot capacity came within the time it was to wait.")
    return found


def billing(told: Mapping[str, Any], price: float | None) -> Billing | None:
    """What the job was billed for; None before SageMaker has said."""
    if "BillableTimeInSeconds" not in told:
        return None
    resources = told["ResourceConfig"]
    return Billing(
        instance_type=resources["InstanceType"],
        instances=resources["InstanceCount"],
        seconds=told.get("TrainingTimeInSeconds", told["BillableTimeInSeconds"]),
        billed_seconds=told["BillableTimeInSeconds"],
        spot=bool(told.get("EnableManagedSpotTraining")),
        hourly_price=price,
    )


def trial(told: Mapping[str, Any], number: int, request: TuningRequest, *, stopped_at: datetime | None) -> Trial:
    """A trial, from the list of its tuning job. What SageMaker stopped before the search was, it stopped early."""
    status = status_of(told["TrainingJobStatus"])
    objective = told.get("FinalHyperParameterTuningJobObjectiveMetric")
    ended = told.get("TrainingEndTime") if status.is_terminal else None
    chosen = hyperparameters(told.get("TunedHyperParameters", {}))
    early = status is JobStatus.STOPPED and (stopped_at is None or ended is None or ended < stopped_at)
    planned = epochs_of({**request.hyperparameters, **chosen})
    return Trial(
        number=number,
        job=told["TrainingJobName"],
        status=status,
        hyperparameters={one.name: chosen[one.name] for one in request.space if one.name in chosen},
        value=None if objective is None else float(objective["Value"]),
        stopped_early=early,
        epochs=float(planned) if status is JobStatus.COMPLETED else 0.0,
        planned_epochs=planned,
        started_at=told.get("TrainingStartTime"),
        ended_at=ended,
        failure_reason=failure_reason(told.get("FailureReason", ""), "") if status is JobStatus.FAILED else "",
    )


def launch_notices(launched: Launched | None) -> tuple[str, ...]:
    return () if launched is None else launched.notices


def created(job: TrainingJob, at: str) -> TrainingJob:
    """The job with the time at which it was asked for, which is a moment before SageMaker made it."""
    return replace(job, created_at=datetime.fromisoformat(at))


def require_resumable(kind: str, name: str, status: JobStatus) -> None:
    """Raise `WrongStateError` unless the job of this kind ("Training", "Tuning") ended before it completed."""
    if status not in (JobStatus.FAILED, JobStatus.STOPPED):
        raise WrongStateError(
            f"{kind} job '{name}' cannot be resumed: it is {status.value}.",
            hint="Only a failed or stopped job is resumed; clone another one.",
        )
