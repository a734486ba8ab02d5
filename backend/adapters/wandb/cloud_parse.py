"""What a W&B server says, as values of ours. Pure."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from backend.adapters.wandb.cloud_columns import Columns, is_own, number
from backend.domain.tracking import (
    Console,
    ConsoleLine,
    History,
    Json,
    MediaItem,
    MetricDefinition,
    MetricStats,
    Run,
    RunSource,
    RunState,
)

Document = Mapping[str, Any]

_STATES: Final = {
    "running": RunState.RUNNING,
    "pending": RunState.RUNNING,
    "preempting": RunState.RUNNING,
    "finished": RunState.FINISHED,
    "failed": RunState.FAILED,
    "killed": RunState.FAILED,
    "crashed": RunState.CRASHED,
    "preempted": RunState.CRASHED,
}
"""https://docs.wandb.ai/ref/python/public-api/run: killed is stopped by somebody, preempted is cut off."""
_GOALS: Final = {1: "minimize", 2: "maximize"}
_SUMMARIES: Final = {1: "min", 2: "max", 3: "mean", 4: "best", 5: "last", 6: "none", 7: "copy", 8: "first"}
_HIDDEN: Final = 2
_INTERNAL: Final = "_wandb"


def parse_run(document: Document) -> Run:
    """A run from the reading process's document; a field that is missing or strange is as if it had not been set."""
    state = _STATES.get(document["state"], RunState.CRASHED)
    created = parse_time(document.get("created_at")) or datetime.fromtimestamp(0, UTC)
    updated = max(created, parse_time(document.get("heartbeat_at")) or created)
    summary = _decoded({key: value for key, value in document["summary"].items() if key != _INTERNAL})
    runtime = number(document["summary"].get("_runtime"))
    same = document["state"] == state.value
    return Run(
        id=document["id"],
        name=document["name"],
        project=document["project"],
        entity=document["entity"],
        state=state,
        created_at=created,
        updated_at=updated,
        ended_at=updated if state.is_terminal else None,
        runtime=runtime if runtime is not None else (updated - created).total_seconds(),
        sources=(RunSource.CLOUD,),
        revision=revision_of(document),
        config=_decoded({key: value for key, value in document["config"].items() if key != _INTERNAL}),
        summary=summary,
        environment=document.get("environment") or {},
        tags=tuple(document["tags"]),
        group=document["group"],
        job_type=document["job_type"],
        notes=document["notes"],
        last_step=int(document["last_step"]),
        rows=document["rows"],
        metrics=tuple(name for name in document["metrics"] if not is_own(name)),
        definitions=parse_definitions(document.get("definitions") or ()),
        synced=True,
        url=document["url"],
        notice="" if same else f"W&B's own word for its state is '{document['state']}'.",
    )


def revision_of(document: Document) -> str:
    """Another one for another document."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def with_stats(run: Run, columns: Columns) -> Run:
    """The run, once its whole history is at hand: what only the history tells, and a revision that says so."""
    stats = {name: found for name, values in columns.columns.items() if (found := _stats(values, columns.steps))}
    return replace(
        run,
        stats=stats,
        metrics=tuple(sorted(columns.columns)),
        rows=len(columns.steps),
        last_step=columns.last_step,
        revision=f"{run.revision}+{len(columns.steps)}",
    )


def parse_definitions(told: Sequence[Document]) -> tuple[MetricDefinition, ...]:
    """From W&B's configuration `_wandb.m`: the fields of its MetricRecord under their protobuf numbers.

    1 name, 2 pattern, 5 number (from 1) of the definition that is the step metric, 6 options that are set, 7 summaries,
    8 goal.
    """
    names = [str(item.get("1") or item.get("2") or "") for item in told]
    definitions = []
    for item, name in zip(told, names, strict=True):
        step = item.get("5") or 0
        definitions.append(
            MetricDefinition(
                name=name,
                step_metric=names[step - 1] if 0 < step <= len(names) else "",
                goal=_GOALS.get(item.get("8") or 0, ""),
                summaries=tuple(_SUMMARIES[kind] for kind in item.get("7") or () if kind in _SUMMARIES),
                hidden=_HIDDEN in (item.get("6") or ()),
            )
        )
    return tuple(definition for definition in definitions if definition.name)


def parse_history(columns: Columns, metrics: Sequence[str] | None, revision: str) -> History:
    """The columns that were asked for, or all of them, without copying any."""
    names = columns.columns if metrics is None else [name for name in metrics if name in columns.columns]
    return History(
        steps=columns.steps,
        times=columns.times,
        columns={name: columns.columns[name] for name in names},
        segments=(0,) if columns.steps else (),  # a server numbers the steps of a resumed run on
        not_numbers={name: count for name, count in columns.not_numbers.items() if name in names},
        revision=revision,
    )


def parse_system(columns: Columns, revision: str) -> History:
    """System metrics under the names that the files have: W&B's server puts `system.` before them."""
    history = parse_history(columns, None, revision)
    return replace(
        history,
        steps=array("q", range(len(columns.steps))),
        columns={name.removeprefix("system."): column for name, column in history.columns.items()},
    )


def parse_console(lines: Sequence[Document], *, wanted: int) -> Console:
    """`lines` may hold one more than wanted, which tells that there are earlier ones."""
    return Console(
        lines=tuple(
            ConsoleLine(
                text=line["text"].rstrip("\r\n"),
                stream="stderr" if line["level"] == "error" else "stdout",
                at=parse_time(line["at"]),
            )
            for line in lines[-wanted:]
        ),
        earlier=len(lines) > wanted,
    )


def parse_media(columns: Columns) -> list[MediaItem]:
    """In the order in which it was logged; paths that lead out of the run's files are left out."""
    return [
        MediaItem(
            metric=item["metric"],
            step=item["step"],
            path=item["path"],
            kind=item.get("_type", ""),
            caption=str(item.get("caption") or ""),
            width=item.get("width"),
            height=item.get("height"),
            size=item.get("size"),
        )
        for item in columns.media
        if is_within(item["path"])
    ]


def is_within(path: str) -> bool:
    """Whether the path stays within the run's files."""
    return bool(path) and not path.startswith("/") and "\\" not in path and ".." not in path.split("/")


def parse_time(text: str | None) -> datetime | None:
    """W&B writes UTC, mostly without a zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _stats(values: array[float], steps: array[int]) -> MetricStats | None:
    numbers = np.frombuffer(values)
    (known,) = np.nonzero(~np.isnan(numbers))
    if not len(known):
        return None
    found = numbers[known]
    least, most = int(found.argmin()), int(found.argmax())
    return MetricStats(
        count=len(found),
        last=float(found[-1]),
        minimum=float(found[least]),
        minimum_step=steps[int(known[least])],
        maximum=float(found[most]),
        maximum_step=steps[int(known[most])],
    )


def _decoded(value: Json) -> Json:
    """With W&B's strings for NaN and the infinities as the floats they stand for."""
    if isinstance(value, dict):
        return {key: _decoded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_decoded(inner) for inner in value]
    if isinstance(value, str):
        found = number(value)
        return value if found is None else found
    return value
