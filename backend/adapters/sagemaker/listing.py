"""The list of jobs, in few calls: 100 per page, the whole once, then only what changed.

`ListTrainingJobs` is allowed about twice a second per account, and tells names, statuses and times. What jobs are
(hyperparameters, metrics, who asked) comes from `Search`, which describes a hundred at once; it may lag behind, so the
newest few that it does not know yet are described one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.job_records import PREFIX
from backend.adapters.sagemaker.session import PAGE, Aws, Pace

_OVERLAP: Final = timedelta(minutes=2)
"""Clocks differ, and a list may show a change a moment late."""
_MOST_DESCRIBED: Final = 5
"""Jobs described one by one in one look: within the rate that AWS allows."""
_PER_SECOND: Final = 1.8
"""Calls of ListTrainingJobs: AWS allows about 2 to a whole account, see aws-samples/deepracer-on-aws#87."""
_ENDED: Final = ("Completed", "Failed", "Stopped")

Told = Mapping[str, Any]


class JobListing:
    """Training jobs whose SageMaker names begin as ours do, as they were at the last `look`."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._lock = threading.Lock()
        self._summaries: dict[str, Told] = {}
        self._details: dict[str, Told] = {}
        self._newest: datetime | None = None
        self._pace = Pace(_PER_SECOND)

    def look(self) -> Sequence[Told]:
        """Every job, newest first: all that is known of it, with its status as of now."""
        with self._lock:
            self._list()
            self._detail()
            found = [{**self._details.get(name, {}), **summary} for name, summary in self._summaries.items()]
        return sorted(found, key=lambda told: told["CreationTime"], reverse=True)

    def _list(self) -> None:
        since = {} if self._newest is None else {"LastModifiedTimeAfter": self._newest - _OVERLAP}
        pages = self._aws.sagemaker().get_paginator("list_training_jobs")
        with translating("list training jobs"):
            self._pace.wait()
            for page in pages.paginate(
                NameContains=PREFIX,
                SortBy="CreationTime",
                SortOrder="Descending",
                PaginationConfig={"PageSize": PAGE},
                **since,  # type: ignore[arg-type]
            ):
                for summary in page["TrainingJobSummaries"]:
                    if summary["TrainingJobName"].startswith(PREFIX):
                        self._keep(summary)
                if "NextToken" in page:
                    self._pace.wait()

    def _keep(self, summary: Any) -> None:
        self._summaries[summary["TrainingJobName"]] = summary
        modified = summary.get("LastModifiedTime") or summary["CreationTime"]
        self._newest = modified if self._newest is None else max(self._newest, modified)

    def _detail(self) -> None:
        """Learn what is not known: of jobs never described, of those that ended since, and of some that run."""
        wanted = {name for name in self._summaries if self._is_stale(name)}
        if len(wanted) > _MOST_DESCRIBED:
            self._search(wanted)
            wanted = {name for name in wanted if self._is_stale(name)}
        newest = sorted(wanted, key=lambda name: self._summaries[name]["CreationTime"], reverse=True)
        for name in newest[:_MOST_DESCRIBED]:
            with translating(f"describe training job '{name}'"):
                self._details[name] = self._aws.sagemaker().describe_training_job(TrainingJobName=name)

    def _is_stale(self, name: str) -> bool:
        known = self._details.get(name)
        status = self._summaries[name]["TrainingJobStatus"]
        return known is None or status not in _ENDED or known["TrainingJobStatus"] != status

    def _search(self, wanted: set[str]) -> None:
        left = set(wanted)
        pages = self._aws.sagemaker().get_paginator("search")
        by_name: Any = [{"Name": "TrainingJobName", "Operator": "Contains", "Value": PREFIX}]
        with translating("search training jobs"):
            for page in pages.paginate(
                Resource="TrainingJob",
                SearchExpression={"Filters": by_name},
                SortBy="CreationTime",
                SortOrder="Descending",
                PaginationConfig={"PageSize": PAGE},
            ):
                for record in page["Results"]:
                    told = record.get("TrainingJob", {})
                    name = told.get("TrainingJobName", "")
                    if name in left:
                        self._details[name] = told
                        left.discard(name)
                if not left:
                    return
