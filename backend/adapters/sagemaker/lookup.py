"""Finding the SageMaker job that a launch became, and stopping it."""

from __future__ import annotations

import time
from typing import Final

from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.job_records import Launch
from backend.adapters.sagemaker.session import PAGE, Aws
from backend.domain.jobs import JobKind
from backend.errors import InvalidInputError, NotFoundError

_PATIENCE: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between looks: a list may show a job a moment after it was made."""


class Lookup:
    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def sagemaker_name(self, launch: Launch, *, wait: bool = False) -> str | None:
        """SageMaker's name of the launched job, the first if there are several; None when there is none.

        With `wait` it is looked for again for some seconds.
        """
        for pause in _PATIENCE if wait else (0.0,):
            time.sleep(pause)
            found = self._training(launch.base) if launch.kind is JobKind.TRAINING else self._tuning(launch.base)
            if found is not None:
                return found
        return None

    def stop(self, launch: Launch, sagemaker_name: str) -> None:
        """Ask SageMaker to stop the job; one that has ended stays as it is."""
        client = self._aws.sagemaker("write")
        try:
            with translating(f"stop job '{launch.name}'"):
                if launch.kind is JobKind.TRAINING:
                    client.stop_training_job(TrainingJobName=sagemaker_name)
                else:
                    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=sagemaker_name)
        except InvalidInputError:  # it has ended meanwhile: the only thing there is to say against it
            return

    def _training(self, base: str) -> str | None:
        pages = self._aws.sagemaker().get_paginator("list_training_jobs")
        with translating(f"look for jobs named '{base}'"):
            found = [
                job["TrainingJobName"]
                for page in pages.paginate(
                    NameContains=base, SortBy="CreationTime", SortOrder="Ascending", PaginationConfig={"PageSize": PAGE}
                )
                for job in page["TrainingJobSummaries"]
                if job["TrainingJobName"].startswith(f"{base}-")
            ]
        return found[0] if found else None

    def _tuning(self, name: str) -> str | None:
        try:
            with translating(f"look for tuning job '{name}'"):
                self._aws.sagemaker().describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        except NotFoundError:
            return None
        return name
