"""What one log says, taken up record by record: it can be kept, and gone on with from where it ended."""

from __future__ import annotations

import sys
from array import array
from collections import deque
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final
from zlib import crc32

from backend.adapters.wandb.log_format import FIRST_RECORD, HEADER, FileState, LogReader, open_log, version_of
from backend.adapters.wandb.log_records import DecodeError, Record, RecordType, text, type_of
from backend.adapters.wandb.run_values import decoded, media_in, number, path_of, place, remove
from backend.domain.tracking import Floats, Integers, Json, MediaItem, MetricDefinition

_MOST_COLUMNS: Final = 5_000
_MOST_PIECES: Final = 4_000
"""Pieces of console output that are kept, the newest."""
_MOST_MEDIA: Final = 10_000
_LONGEST_PIECE: Final = 100_000
_GOALS: Final = {1: "minimize", 2: "maximize"}
_KEPT: Final = ("min", "max", "mean", "best", "last", "none", "copy", "first")
_MARKED: Final = 256
_LARGEST_STEP: Final = 2.0**62
_STEP, _TIME = b"_step", b"_timestamp"
_OWN: Final = frozenset((_STEP, _TIME, b"_runtime"))
_NAN: Final = array("d", [float("nan")])


@dataclass
class Columns:
    """Rows as columns that grow: one that was not logged for a while is filled up when it is logged again."""

    steps: Integers = field(default_factory=lambda: array("q"))
    times: Floats = field(default_factory=lambda: array("d"))
    columns: dict[str, Floats] = field(default_factory=dict)
    not_numbers: dict[str, int] = field(default_factory=dict)

    def put(self, name: str, row: int, value: float) -> None:
        column = self.columns.get(name)
        if column is None:
            if len(self.columns) >= _MOST_COLUMNS:
                return
            column = self.columns[name] = array("d")
        missing = row - len(column)
        if missing > 0:
            column.extend(_NAN * missing)
        if len(column) == row:
            column.append(value)
        else:
            column[row] = value  # logged twice in one row: the later counts

    def fill_up(self) -> None:
        """Make all columns as long as there are rows."""
        rows = len(self.steps)
        for column in self.columns.values():
            if len(column) < rows:
                column.extend(_NAN * (rows - len(column)))


@dataclass
class Digest:
    """Everything a log says up to `offset`. `head` is the run as it began: a `Run` record's plain values."""

    offset: int = FIRST_RECORD
    mark: int | None = None
    """Checksum of the bytes before `offset`; None before the first reading."""
    damaged: int = 0
    stuck: bool = False
    version: int | None = None
    head: dict[str, Json] = field(default_factory=dict)
    config: dict[str, Json] = field(default_factory=dict)
    summary: dict[str, Json] = field(default_factory=dict)
    environment: dict[str, Json] = field(default_factory=dict)
    definitions: dict[str, MetricDefinition] = field(default_factory=dict)
    exit_code: int | None = None
    runtime: float = 0.0
    history: Columns = field(default_factory=Columns)
    system: Columns = field(default_factory=Columns)
    media: list[MediaItem] = field(default_factory=list)
    output: deque[tuple[str, str, float]] = field(default_factory=lambda: deque(maxlen=_MOST_PIECES))
    """Stream, text and Unix seconds of what was printed."""
    forgotten_output: bool = False
    _columns: dict[bytes, Floats] = field(default_factory=dict, repr=False)
    """The history's columns by their names as the log has them."""
    _newest: dict[bytes | tuple[bytes, ...], Any] = field(default_factory=dict, repr=False)
    """Summary items by name, decoded when a read has ended: most are overwritten before anybody looks."""

    def read(self, path: str, known: FileState, *, most: int = sys.maxsize) -> bool:
        """Take up what `path` holds behind `offset`, up to its size in `known`, or `most` bytes.

        False, with nothing taken up, when what lies before `offset` is not what was read: another file has taken its
        place. Raises `OSError`.
        """
        with open_log(path) as file:
            if self.mark is not None and _mark(file, self.offset) != self.mark:
                return False
            file.seek(0)
            self.version = version_of(file.read(HEADER.size))
            if self.version != 0:
                return True
            reader = LogReader(file, self.offset, min(known.size, self.offset + most))
            for payload in reader.records():
                try:
                    self.take(payload)
                except (DecodeError, ArithmeticError, ValueError, RecursionError):
                    self.damaged += 1  # whatever a stranger's record holds is its own trouble, and no other run's
            self.offset, self.stuck = reader.offset, reader.stuck
            self.damaged += reader.damaged
            self.mark = _mark(file, self.offset)
        self.settle()
        return True

    def take(self, payload: bytes) -> None:
        """Take up one record; raises `DecodeError`."""
        kind = type_of(payload)
        if kind is RecordType.OTHER:
            return
        record = Record.FromString(payload)
        if kind is RecordType.HISTORY:
            self._row(record.history)
        elif kind is RecordType.SUMMARY:
            newest = self._newest
            for item in record.summary.update:
                nested = item.nested_key
                newest[nested[0] if len(nested) == 1 else tuple(nested) or item.key] = item
            for item in record.summary.remove:
                self.settle()
                if name := path_of(item):
                    remove(self.summary, name)
        else:
            self._rare(kind, record)

    def settle(self) -> None:
        """Decode the newest summary values and even out the columns."""
        for item in self._newest.values():
            if name := path_of(item):
                place(self.summary, name, decoded(item.value_json))
        self._newest.clear()
        self.history.fill_up()
        self.system.fill_up()

    def _row(self, history: Any) -> None:
        """A row of numbers, in the columns' order as a rule: a name that was seen before costs one look-up."""
        rows, columns, known = self.history, self.history.columns, self._columns
        row = len(rows.steps)
        step, time = history.step.num, _NAN[0]
        others: dict[str, Json] = {}
        for item in history.item:
            nested = item.nested_key
            raw = nested[0] if len(nested) == 1 else (b".".join(nested) or item.key)
            if raw in _OWN:
                if raw == _TIME:
                    time = number(item.value_json) or _NAN[0]
                elif raw == _STEP:
                    step = _step(number(item.value_json), step)
                continue
            column = known.get(raw)
            if column is not None and len(column) == row:
                try:
                    value = float(item.value_json)
                except ValueError:
                    value = _NAN[0]
                if value == value:
                    column.append(value)
                    continue
            name = text(raw)
            found = None if len(nested) > 1 else number(item.value_json)
            if found is None:  # of nested values some are no numbers of the run's: a picture's width and height
                place(others, path_of(item) or [name], decoded(item.value_json))
            else:
                if found != found:
                    rows.not_numbers[name] = rows.not_numbers.get(name, 0) + 1
                rows.put(name, row, found)
                if name in columns:
                    known[raw] = columns[name]
        rows.steps.append(step)
        rows.times.append(time)
        if others:
            self._take_others(others, row, step)

    def _take_others(self, others: dict[str, Json], row: int, step: int) -> None:
        """What a row holds beside plain numbers: numbers in nested values, and files."""
        for name, value in others.items():
            found = list(media_in(name, value, step))
            self.media.extend(found[: max(0, _MOST_MEDIA - len(self.media))])
            if not found and isinstance(value, dict) and "_type" not in value:
                for inner, leaf in _leaves(name, value):
                    self.history.put(inner, row, leaf)

    def _rare(self, kind: RecordType, record: Any) -> None:
        if kind is RecordType.STATS:
            self._sample(record.stats)
        elif kind is RecordType.CONFIG:
            self._configure(record.config)
        elif kind is RecordType.RUN:
            self._begin(record.run)
        elif kind is RecordType.METRIC:
            self._define(record.metric)
        elif kind is RecordType.EXIT:
            self.exit_code, self.runtime = record.exit.exit_code, float(record.exit.runtime)
        elif kind is RecordType.ENVIRONMENT:
            self.environment.update(environment_of(record.environment))  # W&B writes it in pieces
        elif kind in (RecordType.OUTPUT, RecordType.OUTPUT_RAW):
            told = record.output if kind is RecordType.OUTPUT else record.output_raw
            self.forgotten_output |= len(self.output) == _MOST_PIECES
            stream = "stderr" if told.output_type == 0 else "stdout"
            self.output.append((stream, text(told.line[:_LONGEST_PIECE]), seconds(told.timestamp)))

    def _sample(self, stats: Any) -> None:
        row = len(self.system.steps)
        for item in stats.item:
            value = number(item.value_json)
            if value is not None:
                self.system.put(".".join(path_of(item)), row, value)
        self.system.steps.append(row)
        self.system.times.append(seconds(stats.timestamp))

    def _configure(self, changes: Any) -> None:
        for item in changes.update:
            if name := path_of(item):
                place(self.config, name, decoded(item.value_json))
        for item in changes.remove:
            if name := path_of(item):
                remove(self.config, name)

    def _begin(self, run: Any) -> None:
        self._configure(run.config)
        self.head = {
            "entity": text(run.entity),
            "project": text(run.project),
            "name": text(run.display_name),
            "group": text(run.run_group),
            "job_type": text(run.job_type),
            "notes": text(run.notes),
            "tags": [text(tag) for tag in run.tags],
            "began": seconds(run.start_time),
        }
        if run.host:
            self.environment.setdefault("host", text(run.host))
        if run.git.commit:
            self.environment["git"] = {"remote": text(run.git.remote_url), "commit": text(run.git.commit)}

    def _define(self, metric: Any) -> None:
        name = text(metric.glob_name or metric.name)
        if not name or len(self.definitions) >= _MOST_COLUMNS:
            return
        self.definitions[name] = MetricDefinition(
            name=name,
            step_metric=text(metric.step_metric),
            goal=_GOALS.get(metric.goal, ""),
            summaries=tuple(word for word in _KEPT if getattr(metric.summary, word)),
            hidden=metric.options.hidden,
        )


def _mark(file: BinaryIO, offset: int) -> int:
    start = max(0, offset - _MARKED)
    file.seek(start)
    return crc32(file.read(offset - start))


def _step(value: float | None, otherwise: int) -> int:
    """A step as an integer of 64 bits; what cannot be one gives way."""
    return int(value) if value is not None and -_LARGEST_STEP < value < _LARGEST_STEP else otherwise


def seconds(moment: Any) -> float:
    """A time message as Unix seconds; 0 where none was given."""
    return float(moment.seconds + moment.nanos / 1e9)


def environment_of(told: Any) -> dict[str, Json]:
    """The machine and program, without what is empty. Arguments may hold anything a person typed: they are left out."""
    found: dict[str, Json] = {
        "host": text(told.host),
        "os": text(told.os),
        "python": text(told.python),
        "program": text(told.program),
        "cpu_count": told.cpu_count_logical or told.cpu_count,
        "memory_bytes": told.memory.total,
        "gpu": text(told.gpu_type),
        "gpu_count": told.gpu_count,
        "cuda": text(told.cuda_version),
    }
    if told.git.commit:
        found["git"] = {"remote": text(told.git.remote_url), "commit": text(told.git.commit)}
    return {name: value for name, value in found.items() if value}


def _leaves(name: str, value: dict[str, Json]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for inner, leaf in value.items():
        if isinstance(leaf, dict):
            found += _leaves(f"{name}.{inner}", leaf) if "_type" not in leaf else []
        elif isinstance(leaf, int | float):
            found.append((f"{name}.{inner}", float(leaf)))
    return found
