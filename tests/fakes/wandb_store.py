"""What the stand-in for a W&B server remembers: projects of runs, and the part of W&B's filters that it understands."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]

_COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$eq": lambda found, wanted: wanted in found if isinstance(found, list) else found == wanted,
    "$ne": lambda found, wanted: found != wanted,
    "$gt": lambda found, wanted: found is not None and found > wanted,
    "$gte": lambda found, wanted: found is not None and found >= wanted,
    "$lt": lambda found, wanted: found is not None and found < wanted,
    "$lte": lambda found, wanted: found is not None and found <= wanted,
    "$in": lambda found, wanted: any(v in wanted for v in (found if isinstance(found, list) else [found])),
    "$regex": lambda found, wanted: isinstance(found, str) and re.search(wanted, found) is not None,
}
_FIELDS: Final = {
    "name": "name",
    "display_name": "displayName",
    "displayName": "displayName",
    "state": "state",
    "group": "group",
    "jobType": "jobType",
    "tags": "tags",
    "created_at": "createdAt",
    "createdAt": "createdAt",
    "heartbeatAt": "heartbeatAt",
    "heartbeat_at": "heartbeatAt",
}


class UnknownFilterError(Exception):
    """A filter that this stand-in does not understand: a test must not pass because it was ignored."""


@dataclass(kw_only=True)
class StoredRun:
    """One run as the server keeps it. `history` and `events` are rows as logged, `log` the console's lines."""

    id: str
    name: str = ""
    state: str = "finished"
    exit_code: int | None = None
    created_at: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)
    heartbeat_at: datetime | None = None
    config: dict[str, Any] = field(default_factory=dict)
    internal: dict[str, Any] = field(default_factory=dict)
    """What W&B keeps under `_wandb` in the configuration: definitions of metrics, the environment."""
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    group: str = ""
    job_type: str = ""
    notes: str = ""
    exported: bool = False
    """Whether the server has written the history to Parquet, as the real one does some time after the end."""

    @property
    def last_step(self) -> int:
        return max((int(row["_step"]) for row in self.history), default=-1)

    def node(self) -> dict[str, Any]:
        """Every field that the client may select of a run; it takes those it knows."""
        keys = {key for row in self.history for key in row}
        return {
            "__typename": "Run",
            "id": f"storage-{self.id}",
            "projectId": "7",
            "name": self.id,
            "displayName": self.name or self.id,
            "description": self.notes,
            "notes": self.notes,
            "state": self.state,
            "tags": self.tags,
            "group": self.group or None,
            "jobType": self.job_type or None,
            "sweepName": None,
            "commit": None,
            "readOnly": False,
            "config": json.dumps(
                {key: {"value": value, "desc": None} for key, value in {**self.config, "_wandb": self.internal}.items()}
            ),
            "summaryMetrics": json.dumps(self.summary),
            "systemMetrics": "{}",
            "createdAt": moment(self.created_at),
            "heartbeatAt": moment(self.heartbeat_at or self.created_at),
            "historyLineCount": len(self.history),
            "logLineCount": len(self.log),
            "eventsLineCount": len(self.events),
            "user": {"name": "Ada", "username": "ada"},
            "historyKeys": {
                "lastStep": self.last_step,
                "keys": {key: {"typeCounts": [{"type": "number", "count": len(self.history)}]} for key in keys},
            },
        }

    def parquet(self) -> bytes:
        """The history as the server exports it: one column per key, empty where a row has no value."""
        columns: dict[str, list[Any]] = {key: [] for row in self.history for key in row}
        for row in self.history:
            for key, values in columns.items():
                values.append(row.get(key))
        out = io.BytesIO()
        pq.write_table(pa.table(columns), out)
        return out.getvalue()


def moment(time: datetime) -> str:
    """As the server writes times: UTC, without a zone."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def curve(points: int, **ends: float) -> list[Row]:
    """A history of `points` rows in which each metric goes in a straight line from 1 to its end."""
    begun = datetime(2026, 11, 23, 12, tzinfo=UTC)
    last = max(points - 1, 1)
    return [
        {
            "_step": i,
            "_timestamp": (begun + timedelta(seconds=i)).timestamp(),
            "_runtime": float(i),
            **{name: 1 + (end - 1) * i / last for name, end in ends.items()},
        }
        for i in range(points)
    ]


def matching(runs: Iterable[StoredRun], filters: Mapping[str, Any], order: str) -> Sequence[StoredRun]:
    """The runs that the filters let through, in W&B's order: `+created_at`, `-summary_metrics.loss`, and so on."""
    found = [run for run in runs if matches(run, filters)]
    name = order.lstrip("+-")
    values = {id(run): _value(run, name.removesuffix(".value")) for run in found}
    known = [run for run in found if values[id(run)] is not None]
    unknown = [run for run in found if values[id(run)] is None]
    return [*sorted(known, key=lambda run: (values[id(run)], run.id), reverse=order.startswith("-")), *unknown]


def matches(run: StoredRun, filters: Mapping[str, Any]) -> bool:
    """Whether the run passes; raises `UnknownFilterError` for what is not understood here."""
    for key, wanted in filters.items():
        if key in ("$and", "$or"):
            answers = [matches(run, part) for part in wanted]
            if not (all(answers) if key == "$and" else any(answers)):
                return False
            continue
        conditions = wanted if isinstance(wanted, dict) else {"$eq": wanted}
        for operator, value in conditions.items():
            if operator not in _COMPARED:
                raise UnknownFilterError(operator)
            if not _COMPARED[operator](_value(run, key), value):
                return False
    return True


def _value(run: StoredRun, key: str) -> Any:
    for prefix, values in (("config.", run.config), ("summary_metrics.", run.summary)):
        if key.startswith(prefix):
            return values.get(key.removeprefix(prefix).removesuffix(".value"))
    if key not in _FIELDS:
        raise UnknownFilterError(key)
    return run.node()[_FIELDS[key]]
