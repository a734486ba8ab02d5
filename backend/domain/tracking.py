"""Runs: what W&B recorded of a training, whether it lies in files of this machine or on a W&B server.

Everything here is a value: two looks at a run that did not change give equal runs. The words are W&B's own
(https://docs.wandb.ai/ref/python/public-api/run).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, Final, TypeAlias
from urllib.parse import quote

Json = Any
"""None, bool, int, float (NaN and infinities too), str, list or dict of these."""
Scalar = str | float | int | bool | None
NO_PROJECT: Final = "uncategorized"
"""W&B's name for the project of a run that names none."""


class RunState(Enum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    """It ended by itself with an exit code other than 0, as stopped runs do."""
    CRASHED = "crashed"
    """It fell silent without a word."""

    @property
    def is_terminal(self) -> bool:
        return self is not RunState.RUNNING


class RunSource(Enum):
    OFFLINE = "offline"
    """Files on this machine."""
    CLOUD = "cloud"
    """A W&B server, of W&B or one's own."""


@dataclass(frozen=True, kw_only=True)
class MetricDefinition:
    """What `define_metric` said. `name` may end with `*` and then means every metric that begins so.

    `step_metric` is the metric to draw it against, "" for W&B's own step. `goal` is "minimize", "maximize" or "".
    `summaries` are W&B's names for what its summary keeps ("min", "max", "mean", "last", "best", "copy", "none").
    """

    name: str
    step_metric: str = ""
    goal: str = ""
    summaries: tuple[str, ...] = ()
    hidden: bool = False

    def speaks_of(self, metric: str) -> bool:
        return metric.startswith(self.name[:-1]) if self.name.endswith("*") else metric == self.name


@dataclass(frozen=True, kw_only=True)
class MetricStats:
    """One metric over the whole history. NaN is not counted; infinities are. `last` is the newest number."""

    count: int
    last: float
    minimum: float
    minimum_step: int
    maximum: float
    maximum_step: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run, as its source knows it now.

    `config`, `summary` and `environment` (host, program, versions, hardware) are nested as they were recorded.
    `metrics` names the numeric columns of the history, sorted, as far as known. `stats` holds them over the whole
    history where the source has read it all, and is empty before. `partial` tells that a listing looked at a part of
    the run only: summary keys that are logged rarely, configuration added later, `stats` and `damaged` may yet come.

    `last_step` is the newest step, -1 before any; `rows` the number of history rows, None while unknown; `runtime` the
    seconds it ran so far. `created_at`, `updated_at` (the last sign of life) and `ended_at` are aware UTC.
    `synced` tells that a W&B server has all of it; `url` is its page there, "" when there is none. `folders` are its
    folders on this machine, oldest first: more than one when it was resumed. `damaged` counts places in its files that
    could not be read and were passed over; `notice` says what else an operator should know.

    `revision` is opaque, and changes whenever anything that the source tells of the run has changed, and only then.
    """

    id: str
    name: str
    project: str
    state: RunState
    created_at: datetime
    updated_at: datetime
    sources: tuple[RunSource, ...]
    revision: str
    entity: str = ""
    config: Mapping[str, Json] = field(default_factory=dict)
    summary: Mapping[str, Json] = field(default_factory=dict)
    environment: Mapping[str, Json] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    group: str = ""
    job_type: str = ""
    notes: str = ""
    exit_code: int | None = None
    ended_at: datetime | None = None
    runtime: float = 0.0
    last_step: int = -1
    rows: int | None = None
    metrics: tuple[str, ...] = ()
    definitions: tuple[MetricDefinition, ...] = ()
    stats: Mapping[str, MetricStats] = field(default_factory=dict)
    partial: bool = False
    synced: bool = False
    url: str = ""
    folders: tuple[str, ...] = ()
    damaged: int = 0
    notice: str = ""

    @cached_property
    def key(self) -> str:
        """Names the run in addresses and to every port: `project/id`, with what is special in an address escaped.

        The same whether the run was found on this machine or on a server, so that a synced run is one run.
        """
        return run_key(self.project, self.id)

    @cached_property
    def flat_config(self) -> Mapping[str, Scalar]:
        return flatten(self.config)

    @cached_property
    def flat_summary(self) -> Mapping[str, Scalar]:
        return flatten(self.summary)

    def definition(self, metric: str) -> MetricDefinition | None:
        """The one that names the metric, else the longest pattern that fits; None without any."""
        fitting = [definition for definition in self.definitions if definition.speaks_of(metric)]
        return max(fitting, key=lambda found: (found.name == metric, len(found.name)), default=None)


def run_key(project: str, run_id: str) -> str:
    return f"{quote(project or NO_PROJECT, safe='')}/{quote(run_id, safe='')}"


def flatten(nested: Mapping[str, Json]) -> dict[str, Scalar]:
    """Nested keys joined by dots, in their order; a list becomes its JSON text, an empty mapping vanishes."""
    flat: dict[str, Scalar] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{inner}": leaf for inner, leaf in flatten(value).items()})
        elif value is None or isinstance(value, str | bool | int | float):
            flat[name] = value
        else:
            flat[name] = json.dumps(value)
    return flat


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs: every condition that is set must hold. What a source can decide by itself; pages filter further.

    `text` is looked for in name, id, group and tags, whatever the case.
    """

    project: str = ""
    group: str = ""
    job_type: str = ""
    states: frozenset[RunState] = frozenset()
    tags: frozenset[str] = frozenset()
    text: str = ""

    def admits(self, run: Run) -> bool:
        words = (run.name, run.id, run.group, *run.tags)
        return (
            (not self.project or run.project == self.project)
            and (not self.group or run.group == self.group)
            and (not self.job_type or run.job_type == self.job_type)
            and (not self.states or run.state in self.states)
            and self.tags <= set(run.tags)
            and (not self.text or any(self.text.casefold() in word.casefold() for word in words))
        )


EVERY_RUN: Final = RunFilter()


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """Some of the runs, newest first by `created_at`; `total` is how many there are in all."""

    runs: Sequence[Run]
    total: int


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """How a source of runs is doing. One that cannot be reached is a state of it, and never spoils the others' runs.

    `as_of` is when it was last read well, None before that; `stale` tells that a later attempt failed, and `error`
    and `hint` say why and what to do. `refreshing` tells that a look is under way. `detail` is where it reads from.
    """

    source: RunSource
    as_of: datetime | None
    stale: bool = False
    refreshing: bool = False
    error: str = ""
    hint: str = ""
    detail: str = ""


Floats: TypeAlias = "array[float]"
"""`array('d')`: float64. NumPy takes it without a copy: `np.frombuffer(column)`, where it is not empty. Read only."""
Integers: TypeAlias = "array[int]"
"""`array('q')`: int64. Read only."""


@dataclass(frozen=True, kw_only=True)
class History:
    """Numbers logged over a run, as columns with one row for each logged step, in the order in which they were logged.

    `steps` int64 [n] is W&B's step, `times` float64 [n] Unix seconds (NaN where unknown), and each of `columns`
    float64 [n]: NaN where the metric was not logged in that row. A metric that was logged as NaN is NaN as well;
    `not_numbers` counts those by metric. Infinities are kept; True is 1.0; what is no number has no column.

    Steps rise within a segment. A run that was resumed without a server begins again at 0: `segments` holds the row
    at which each part begins, the first being 0; empty without rows. `sampled` tells that a server chose some of the
    rows; `revision` is that of the run when it was read.
    """

    steps: Integers
    times: Floats
    columns: Mapping[str, Floats]
    segments: tuple[int, ...] = ()
    not_numbers: Mapping[str, int] = field(default_factory=dict)
    sampled: bool = False
    revision: str = ""

    def __len__(self) -> int:
        return len(self.steps)


def no_history() -> History:
    return History(steps=array("q"), times=array("d"), columns={})


@dataclass(frozen=True, kw_only=True)
class ConsoleLine:
    """A line that the run printed, without its end; untrusted, with control characters. `stream`: stdout or stderr."""

    text: str
    stream: str = "stdout"
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Console:
    """The newest lines, in order; `earlier` tells that there are more before them."""

    lines: tuple[ConsoleLine, ...]
    earlier: bool = False


@dataclass(frozen=True, kw_only=True)
class MediaItem:
    """A file that the run logged under a metric's name: `path` relative to the run's files, with forward slashes.

    `kind` is W&B's ("image-file", "table-file", "audio-file", ...). `width` and `height` in pixels, `size` in bytes,
    None where unknown. Captions are untrusted text.
    """

    metric: str
    step: int
    path: str
    kind: str
    caption: str = ""
    width: int | None = None
    height: int | None = None
    size: int | None = None
