"""What a list tells of one log, as plain JSON values; and the run that one or several logs tell of together."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from backend.adapters.wandb.log_format import BLOCK, FIRST_RECORD, HEADER, FileState, LogReader, open_log, version_of
from backend.adapters.wandb.log_records import DecodeError, RecordType, type_of
from backend.adapters.wandb.run_digest import Digest
from backend.adapters.wandb.run_folders import RunFolder
from backend.domain.tracking import NO_PROJECT, Json, MetricDefinition, MetricStats, Run, RunSource, RunState

QUIET_SECONDS: Final = 600.0
"""A run without an end that says nothing for so long has crashed: W&B's own rule."""
SMALL: Final = 16_384
"""Bytes of a log that is read whole at once."""
_HEAD: Final = 8_192
_LONG_HEAD: Final = 512 * 1024
_LEAST_TAIL: Final = 4_096
_NEWEST: Final = 24
"""Records of the tail that are parsed: a row and what it changes in the summary are two or three."""
_CRASHED: Final = 254
_HEAD_KINDS: Final = frozenset({RecordType.RUN, RecordType.CONFIG, RecordType.ENVIRONMENT, RecordType.METRIC})
_TAIL_KINDS: Final = frozenset({RecordType.HISTORY, RecordType.SUMMARY, RecordType.EXIT, RecordType.CONFIG})

Told = dict[str, Json]


def glance(log: str, state: FileState) -> Digest:
    """A look at the log's beginning and end: who it is, and how it stands. Raises `OSError`."""
    digest = Digest()
    with open_log(log) as file:
        digest.version = version_of(file.read(HEADER.size))
        if digest.version != 0:
            return digest
        for size in (_HEAD, _LONG_HEAD):
            _take(digest, LogReader(file, FIRST_RECORD, min(size, state.size)), _HEAD_KINDS)
            if digest.head or size >= state.size:
                break
        last_block = state.size - state.size % BLOCK
        if state.size - last_block < _LEAST_TAIL:
            last_block -= BLOCK
        _take(digest, LogReader(file, max(FIRST_RECORD, last_block), state.size), _TAIL_KINDS, newest=_NEWEST)
    digest.settle()
    return digest


def _take(digest: Digest, reader: LogReader, kinds: frozenset[RecordType], *, newest: int | None = None) -> None:
    """Take up the `newest` records of these kinds. Damage is not counted: the reader may begin within a record."""
    for payload in deque((found for found in reader.records() if type_of(found) in kinds), maxlen=newest):
        with suppress(DecodeError):
            digest.take(payload)


def told_by(digest: Digest, *, partial: bool) -> Told:
    rows = digest.history
    times = [time for time in (rows.times[-1:] or ()) if math.isfinite(time)]
    return {
        "partial": partial,
        "version": digest.version,
        "head": digest.head,
        "config": digest.config,
        "summary": digest.summary,
        "environment": digest.environment,
        "definitions": [asdict(definition) for definition in digest.definitions.values()],
        "exit_code": digest.exit_code,
        "runtime": digest.runtime,
        "damaged": digest.damaged + digest.stuck,
        "metrics": sorted(rows.columns),
        "stats": {} if partial else {name: asdict(found) for name, found in _stats(digest).items()},
        "last_step": rows.steps[-1] if rows.steps else -1,
        "last_time": times[0] if times else None,
        "rows": None if partial else len(rows.steps),
    }


def _stats(digest: Digest) -> dict[str, MetricStats]:
    """Of equal values the first counts: that is when the best was reached."""
    steps = digest.history.steps
    found = {}
    for name, column in digest.history.columns.items():
        total = sum(column)
        rows: Sequence[int] = range(len(column))
        if total != total:  # there is a NaN, which compares with nothing (or both infinities)
            rows = [row for row, value in enumerate(column) if value == value]
        if not rows:
            continue
        numbers = column if len(rows) == len(column) else [column[row] for row in rows]
        low, high = min(numbers), max(numbers)
        found[name] = MetricStats(
            count=len(rows),
            last=numbers[-1],
            minimum=low,
            minimum_step=steps[rows[numbers.index(low)]],
            maximum=high,
            maximum_step=steps[rows[numbers.index(high)]],
        )
    return found


def run_of(parts: Sequence[tuple[RunFolder, Told]], *, now: float, alive: bool | None) -> Run:
    """The run that the logs of `parts`, oldest first, tell of; `alive` says whether its process lives, where known."""
    saying = saying_parts(parts)
    folder, told = saying[-1]
    head, first = told["head"], saying[0]
    touched = max(folder.state.mtime_ns for folder, _ in parts) / 1e9
    state = state_of(parts, now=now, alive=alive)
    began = first[1]["head"].get("began") or first[0].began.timestamp()
    ended = max(told["last_time"] or 0.0, min(touched, began + told["runtime"]) if told["runtime"] else touched)
    stats = _joined_stats([told for _, told in saying])
    return Run(
        id=folder.run_id,
        name=head.get("name") or folder.run_id,
        project=head.get("project") or NO_PROJECT,
        entity=head.get("entity", ""),
        state=state,
        created_at=_time(began),
        updated_at=_time(max(touched, began)),
        ended_at=_time(max(ended, began)) if state.is_terminal else None,
        runtime=_runtime([told for _, told in saying], began, touched),
        sources=(RunSource.OFFLINE,),
        revision=revision_of(parts, state),
        config=_together(saying, "config"),
        summary=_together(saying, "summary"),
        environment=_together(saying, "environment"),
        tags=tuple(dict.fromkeys(tag for _, told in saying for tag in told["head"].get("tags", ()))),
        group=head.get("group", ""),
        job_type=head.get("job_type", ""),
        notes=head.get("notes", ""),
        exit_code=told["exit_code"],
        last_step=max(told["last_step"] for _, told in saying),
        rows=None if any(told["rows"] is None for _, told in saying) else sum(told["rows"] for _, told in saying),
        metrics=tuple(sorted({name for _, told in saying for name in told["metrics"]})),
        definitions=_definitions(saying),
        stats=stats,
        partial=any(told["partial"] for _, told in saying),
        synced=all(folder.synced for folder, _ in saying),
        folders=tuple(folder.path for folder, _ in parts),
        damaged=sum(told["damaged"] for _, told in parts),
        notice=_notice(told),
    )


def saying_parts(parts: Sequence[tuple[RunFolder, Told]]) -> list[tuple[RunFolder, Told]]:
    """All but those that recorded nothing, which failed starts leave behind; every one where none recorded anything."""
    return [(folder, told) for folder, told in parts if told["head"] and told["last_step"] >= 0] or list(parts)


def state_of(parts: Sequence[tuple[RunFolder, Told]], *, now: float, alive: bool | None) -> RunState:
    code = saying_parts(parts)[-1][1]["exit_code"]
    if code is not None:
        return RunState.FINISHED if code == 0 else RunState.CRASHED if code == _CRASHED else RunState.FAILED
    if alive is not None:
        return RunState.RUNNING if alive else RunState.CRASHED
    touched = max(folder.state.mtime_ns for folder, _ in parts) / 1e9
    return RunState.CRASHED if now - touched > QUIET_SECONDS else RunState.RUNNING


def revision_of(parts: Sequence[tuple[RunFolder, Told]], state: RunState) -> str:
    seen = [(folder.path, folder.state, folder.synced, told["partial"]) for folder, told in parts]
    return hashlib.sha256(repr((seen, state)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _joined_stats(all_told: Sequence[Told]) -> Mapping[str, MetricStats]:
    joined: dict[str, MetricStats] = {}
    for told in all_told:
        for name, values in told["stats"].items():
            new, old = MetricStats(**values), joined.get(name)
            if old is None:
                joined[name] = new
                continue
            low, high = (min(old, new, key=_minimum), max(old, new, key=_maximum))
            joined[name] = MetricStats(
                count=old.count + new.count,
                last=new.last,
                minimum=low.minimum,
                minimum_step=low.minimum_step,
                maximum=high.maximum,
                maximum_step=high.maximum_step,
            )
    return joined


def _minimum(stats: MetricStats) -> float:
    return stats.minimum


def _maximum(stats: MetricStats) -> float:
    return stats.maximum


def _runtime(all_told: Sequence[Told], began: float, touched: float) -> float:
    """What the exits say; of a run without one, the time to its last sign of life."""
    told = sum(told["runtime"] for told in all_told)
    return float(told) if all_told[-1]["exit_code"] is not None and told else max(0.0, touched - began)


def _together(parts: Sequence[tuple[RunFolder, Told]], what: str) -> dict[str, Json]:
    """What all parts said; of what several said, the latest word."""
    return {name: value for _, told in parts for name, value in told[what].items()}


def _definitions(parts: Sequence[tuple[RunFolder, Told]]) -> tuple[MetricDefinition, ...]:
    latest = {entry["name"]: entry for _, told in parts for entry in told["definitions"]}
    return tuple(MetricDefinition(**{**entry, "summaries": tuple(entry["summaries"])}) for entry in latest.values())


def _notice(told: Told) -> str:
    if told["version"] is None:
        return "Its file has no complete header yet: it has just been started, or died at once."
    if told["version"] != 0:
        return f"Written by a newer W&B (format {told['version']}): it cannot be read here."
    return ""


def _time(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):  # a stranger's file may say anything
        return datetime.fromtimestamp(0, UTC)
