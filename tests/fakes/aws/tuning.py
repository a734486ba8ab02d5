"""Hyperparameter tuning jobs: they choose values, launch children, end those that do worse, and stop.

Values are drawn at random, with the seed asked for, also for Bayesian and Hyperband: how well the service learns is
nothing that a fake can show. Grid tries every combination in order.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fakes.aws.faults import AwsFault, validation
from tests.fakes.aws.server import page
from tests.fakes.aws.training import Job, TrainingJobs, arn

_ENDED = ("Completed", "Failed", "Stopped")
_POLL = 0.03


@dataclass
class Search:
    asked: Mapping[str, Any]
    told: dict[str, Any]
    children: list[Job] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    killed: threading.Event = field(default_factory=threading.Event)
    early: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return str(self.asked["HyperParameterTuningJobName"])

    @property
    def config(self) -> Mapping[str, Any]:
        config: Mapping[str, Any] = self.asked["HyperParameterTuningJobConfig"]
        return config

    @property
    def objective(self) -> Mapping[str, str]:
        objective: Mapping[str, str] = self.config["HyperParameterTuningJobObjective"]
        return objective


class TuningJobs:
    """A part of SageMaker whose children are jobs of `training`."""

    def __init__(self, training: TrainingJobs) -> None:
        self._training = training
        self.searches: dict[str, Search] = {}
        self._threads: list[threading.Thread] = []

    def reset(self) -> None:
        for search in self.searches.values():
            search.killed.set()
        for thread in self._threads:
            thread.join(timeout=20)
            assert not thread.is_alive(), f"{thread.name} does not end"
        self._threads.clear()
        self.searches.clear()

    def create_hyper_parameter_tuning_job(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        name = asked["HyperParameterTuningJobName"]
        if name in self.searches:
            raise AwsFault(code="ResourceInUse", message=f"Hyperparameter tuning job name must be unique: {name}")
        _check(asked)
        for parent in asked.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", []):
            if self._get(parent["HyperParameterTuningJobName"]).told["HyperParameterTuningJobStatus"] not in _ENDED:
                raise validation(f"Parent {parent['HyperParameterTuningJobName']} must be in a terminal state.")
        now = datetime.now(UTC)
        given = ("HyperParameterTuningJobConfig", "TrainingJobDefinition", "WarmStartConfig")
        told = {
            **{key: asked[key] for key in given if key in asked},
            "HyperParameterTuningJobArn": arn("hyper-parameter-tuning-job", name),
            "HyperParameterTuningJobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        search = Search(asked=asked, told=told)
        self.searches[name] = search
        self._training.tags[told["HyperParameterTuningJobArn"]] = list(asked.get("Tags", []))
        thread = threading.Thread(target=self._run, args=(search,), name=f"search {name}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return {"HyperParameterTuningJobArn": told["HyperParameterTuningJobArn"]}

    def describe_hyper_parameter_tuning_job(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        search = self._get(asked["HyperParameterTuningJobName"])
        by_status = [child.told["TrainingJobStatus"] for child in search.children]
        counters = {
            "Completed": by_status.count("Completed"),
            "InProgress": by_status.count("InProgress") + by_status.count("Stopping"),
            "NonRetryableError": by_status.count("Failed"),
            "RetryableError": 0,
            "Stopped": by_status.count("Stopped"),
        }
        valued = [child for child in search.children if _value(child, search) is not None]
        answer = {"HyperParameterTuningJobName": search.name, **search.told, "TrainingJobStatusCounters": counters}
        answer["ObjectiveStatusCounters"] = {
            "Succeeded": len(valued),
            "Pending": counters["InProgress"],
            "Failed": counters["NonRetryableError"],
        }
        if done := [child for child in valued if child.told["TrainingJobStatus"] == "Completed"]:
            sign = 1 if search.objective["Type"] == "Maximize" else -1
            answer["BestTrainingJob"] = _child(max(done, key=lambda c: sign * (_value(c, search) or 0.0)), search)
        return answer

    def stop_hyper_parameter_tuning_job(self, asked: Mapping[str, Any]) -> None:
        search = self._get(asked["HyperParameterTuningJobName"])
        if search.told["HyperParameterTuningJobStatus"] in _ENDED:
            raise validation("The request was rejected because the tuning job is in a terminal state.")
        search.told |= {"HyperParameterTuningJobStatus": "Stopping", "LastModifiedTime": datetime.now(UTC)}
        search.stop.set()

    def list_hyper_parameter_tuning_jobs(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        wanted = asked.get("NameContains", "").lower()
        found = [self._summary(search) for search in list(self.searches.values()) if wanted in search.name.lower()]
        if "LastModifiedTimeAfter" in asked:
            found = [one for one in found if one["LastModifiedTime"] > asked["LastModifiedTimeAfter"]]
        by = "HyperParameterTuningJobName" if asked.get("SortBy", "Name") == "Name" else "CreationTime"
        found.sort(key=lambda one: one[by], reverse=asked.get("SortOrder") == "Descending")
        return page(found, asked, "HyperParameterTuningJobSummaries")

    def list_training_jobs_for_hyper_parameter_tuning_job(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        search = self._get(asked["HyperParameterTuningJobName"])
        found = [_child(child, search) for child in search.children]
        found.sort(key=lambda child: child["CreationTime"], reverse=asked.get("SortOrder") == "Descending")
        return page(found, asked, "TrainingJobSummaries")

    def _summary(self, search: Search) -> dict[str, Any]:
        answer = self.describe_hyper_parameter_tuning_job({"HyperParameterTuningJobName": search.name})
        names = ("Name", "Arn", "Status")
        kept = [f"HyperParameterTuningJob{name}" for name in names]
        kept += ["CreationTime", "LastModifiedTime", "HyperParameterTuningEndTime"]
        kept += ["TrainingJobStatusCounters", "ObjectiveStatusCounters"]
        limits = search.config["ResourceLimits"]
        return {"Strategy": search.config["Strategy"], "ResourceLimits": limits} | {
            name: answer[name] for name in kept if name in answer
        }

    def _get(self, name: str) -> Search:
        if name not in self.searches:
            raise AwsFault(code="ResourceNotFound", message=f"Amazon SageMaker can't find a tuning job {name}.")
        return self.searches[name]

    def _run(self, search: Search) -> None:
        limits = search.config["ResourceLimits"]
        values = _values(search)
        most = limits.get("MaxNumberOfTrainingJobs", 750)
        while not search.killed.is_set():
            live = [child for child in search.children if not child.ended]
            if search.stop.is_set():
                for child in live:
                    self._stop(child)
                if not live:
                    return _end(search, "Stopped")
            elif len(search.children) < most and len(live) < limits["MaxParallelTrainingJobs"]:
                chosen = next(values, None)
                if chosen is not None:
                    self._launch(search, chosen)
                    continue
                most = len(search.children)
            elif not live:
                failed = [child.told["TrainingJobStatus"] == "Failed" for child in search.children]
                if failed and all(failed):
                    return _end(search, "Failed", "All training jobs failed. Check the FailureReason of each.")
                return _end(search, "Completed")
            self._stop_the_worse(search, live)
            search.killed.wait(_POLL)
        return None

    def _launch(self, search: Search, chosen: Mapping[str, str]) -> None:
        definition = search.asked["TrainingJobDefinition"]
        number = len(search.children) + 1
        suffix = f"{random.Random(number).getrandbits(32):08x}"  # noqa: S311 - a name
        metric = search.objective["MetricName"]
        hyperparameters = {
            **definition.get("StaticHyperParameters", {}),
            **chosen,
            "_tuning_objective_metric": metric,
        }
        given = {key: value for key, value in definition.items() if key not in _NOT_A_CHILDS}
        asked = {
            "TrainingJobName": f"{search.name}-{number:03d}-{suffix}",
            **given,
            "HyperParameters": hyperparameters,
            "Tags": search.asked.get("Tags", []),
        }
        parent = {"TuningJobArn": search.told["HyperParameterTuningJobArn"]}
        search.children.append(self._training.launch(asked, tuned=chosen, **parent))

    def _stop(self, child: Job) -> None:
        if child.told["TrainingJobStatus"] == "InProgress":
            self._training.stop_training_job({"TrainingJobName": child.name})

    def _stop_the_worse(self, search: Search, live: Sequence[Job]) -> None:
        """The median rule, after as many reports as the others had; Hyperband is played by the same rule.

        See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html
        """
        hyperband = search.config["Strategy"] == "Hyperband"
        if search.config.get("TrainingJobEarlyStoppingType", "Off") != "Auto" and not hyperband:
            return
        metric, sign = search.objective["MetricName"], 1 if search.objective["Type"] == "Maximize" else -1
        for child in live:
            mine = [sign * value for value in child.curve(metric)]
            others = [
                sign * v[len(mine) - 1]
                for c in search.children
                if c is not child and len(v := c.curve(metric)) >= len(mine) > 0
            ]
            if len(others) >= (1 if hyperband else 3) and mine and max(mine) < statistics.median(others):
                search.early.add(child.name)
                self._stop(child)


_NOT_A_CHILDS = (
    "DefinitionName",
    "TuningObjective",
    "HyperParameterRanges",
    "StaticHyperParameters",
    "HyperParameterTuningResourceConfig",
)


def _child(child: Job, search: Search) -> dict[str, Any]:
    names = ("TrainingJobArn", "CreationTime", "TrainingStartTime", "TrainingEndTime", "TrainingJobStatus")
    told = {name: child.told[name] for name in (*names, "FailureReason") if name in child.told}
    answer = {"TrainingJobName": child.name, **told, "TunedHyperParameters": child.tuned}
    value = _value(child, search)
    if value is not None:
        objective = {"MetricName": search.objective["MetricName"], "Value": value, "Type": search.objective["Type"]}
        answer["FinalHyperParameterTuningJobObjectiveMetric"] = objective
    ended = child.ended
    answer["ObjectiveStatus"] = "Pending" if not ended else "Succeeded" if value is not None else "Failed"
    return answer


def _value(child: Job, search: Search) -> float | None:
    values = child.curve(search.objective["MetricName"])
    return values[-1] if values and child.ended else None


def _end(search: Search, status: str, reason: str = "") -> None:
    now = datetime.now(UTC)
    search.told |= {"HyperParameterTuningJobStatus": status, "HyperParameterTuningEndTime": now}
    search.told["LastModifiedTime"] = now
    if reason:
        search.told["FailureReason"] = reason


def _check(asked: Mapping[str, Any]) -> None:
    config, definition = asked["HyperParameterTuningJobConfig"], asked["TrainingJobDefinition"]
    ranges, strategy = config.get("ParameterRanges", {}), config["Strategy"]
    metrics = [one["Name"] for one in definition["AlgorithmSpecification"].get("MetricDefinitions", [])]
    if config["HyperParameterTuningJobObjective"]["MetricName"] not in metrics:
        raise validation("The objective metric is not among the metric definitions.")
    if len(metrics) > 20:
        raise validation(f"At most 20 metric definitions for a tuning job; there are {len(metrics)}.")
    if strategy == "Grid":
        if ranges.get("ContinuousParameterRanges") or ranges.get("IntegerParameterRanges"):
            raise validation("Grid search takes categorical parameters only.")
        if "MaxNumberOfTrainingJobs" in config["ResourceLimits"]:
            combinations = math.prod(len(one["Values"]) for one in ranges["CategoricalParameterRanges"])
            if config["ResourceLimits"]["MaxNumberOfTrainingJobs"] != combinations:
                raise validation("MaxNumberOfTrainingJobs must be left out, or the number of combinations, for Grid.")
    if strategy == "Hyperband" and config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise validation("TrainingJobEarlyStoppingType must be OFF for Hyperband.")
    if config["ResourceLimits"]["MaxParallelTrainingJobs"] > 100:
        raise validation("MaxParallelTrainingJobs must be at most 100.")


def _values(search: Search) -> Iterator[dict[str, str]]:
    ranges = search.config.get("ParameterRanges", {})
    listed = {one["Name"]: one["Values"] for one in ranges.get("CategoricalParameterRanges", [])}
    if search.config["Strategy"] == "Grid":
        for values in itertools.product(*listed.values()):
            yield dict(zip(listed, values, strict=True))
        return
    draw = random.Random(search.config.get("RandomSeed"))  # noqa: S311 - a stand-in for a search
    while True:
        chosen = {name: draw.choice(values) for name, values in listed.items()}
        for kind, whole in (("Continuous", False), ("Integer", True)):
            for one in ranges.get(f"{kind}ParameterRanges", []):
                low, high = float(one["MinValue"]), float(one["MaxValue"])
                log = one.get("ScalingType") == "Logarithmic"
                value = math.exp(draw.uniform(math.log(low), math.log(high))) if log else draw.uniform(low, high)
                chosen[one["Name"]] = str(round(value)) if whole else repr(min(high, max(low, value)))
        yield chosen
