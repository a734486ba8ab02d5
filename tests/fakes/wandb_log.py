"""Writes `.wandb` files as W&B's library does, byte for byte where it matters: for many runs, and for broken ones."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from zlib import crc32

from backend.adapters.wandb.log_format import BLOCK
from backend.adapters.wandb.log_records import Record

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
_SPECIAL = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}


class RunLog:
    """One run's folder and log. Records go to the file at once: a test can look between any two."""

    def __init__(
        self,
        root: Path,
        run_id: str,
        *,
        began: datetime = NOON,
        project: str = "digit_classification",
        offline: bool = True,
        config: Mapping[str, Any] | None = None,
        **head: Any,
    ) -> None:
        stamp = began.astimezone().strftime("%Y%m%d_%H%M%S")
        self.folder = root / f"{'offline-' if offline else ''}run-{stamp}-{run_id}"
        (self.folder / "files").mkdir(parents=True)
        self.path = self.folder / f"run-{run_id}.wandb"
        self._file = self.path.open("wb", buffering=0)
        self._file.write(struct.pack("<4sHB", b":W&B", 0xBEE1, 0))
        self._number = 0
        self._id = run_id.encode()[:60]
        self._step = 0
        self._time = began.timestamp()
        record = Record()
        record.run.run_id = run_id.encode()
        record.run.project = project.encode()
        record.run.display_name = str(head.get("name", run_id)).encode()
        record.run.run_group = str(head.get("group", "")).encode()
        record.run.job_type = str(head.get("job_type", "")).encode()
        record.run.tags.extend(tag.encode() for tag in head.get("tags", ()))
        record.run.start_time.seconds = int(began.timestamp())
        _items(record.run.config.update, config or {})
        self.write(record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def log(self, values: Mapping[str, Any], *, step: int | None = None) -> None:
        """What `run.log` writes: the summary's change and the history's row."""
        self._step = self._step if step is None else step
        self._time += 1.0
        row = {**values, "_step": self._step, "_timestamp": self._time, "_runtime": float(self._step)}
        summary, history = Record(), Record()
        _items(summary.summary.update, row)
        self.write(summary)
        history.history.step.num = self._step
        _items(history.history.item, row)
        self.write(history)
        self._step += 1

    def system(self, values: Mapping[str, float]) -> None:
        record = Record()
        self._time += 1.0
        record.stats.timestamp.seconds = int(self._time)
        _items(record.stats.item, values)
        self.write(record)

    def configure(self, values: Mapping[str, Any]) -> None:
        record = Record()
        _items(record.config.update, values)
        self.write(record)

    def define(self, name: str, *, step_metric: str = "", goal: int = 0, summary: str = "") -> None:
        record = Record()
        setattr(record.metric, "glob_name" if "*" in name else "name", name.encode())
        record.metric.step_metric, record.metric.goal = step_metric.encode(), goal
        if summary:
            setattr(record.metric.summary, summary, True)
        self.write(record)

    def print(self, text: str) -> None:
        record = Record()
        record.output_raw.output_type, record.output_raw.line = 1, text.encode()
        record.output_raw.timestamp.seconds = int(self._time)
        self.write(record)

    def exit(self, code: int = 0, runtime: int = 0) -> None:
        record = Record()
        record.exit.exit_code, record.exit.runtime = code, runtime or int(self._step)
        self.write(record)

    def write(self, record: Any) -> None:
        self._number += 1
        # As W&B 0.31 does: the number, before rare records the run's id (field 200) and at times a token (field 16).
        info = b"\xc2\x0c" + bytes((2 + len(self._id),)) + b"\n" + bytes((len(self._id),)) + self._id
        token = b"\x82\x01\x04abcd" if self._number % 2 else b""
        before = b"" if record.HasField("history") or record.HasField("summary") else token + info
        self.append(b"\x08" + _varint(self._number) + before + record.SerializeToString())

    def append(self, payload: bytes) -> None:
        """Any bytes as one record, in as many chunks as it takes."""
        position = self._file.tell()
        pieces = []
        first = True
        while True:
            left = BLOCK - position % BLOCK
            if left < 7:
                pieces.append(b"\0" * left)
                position += left
                continue
            piece, payload = payload[: left - 7], payload[left - 7 :]
            kind = (1 if first else 4) if not payload else (2 if first else 3)
            pieces.append(struct.pack("<IHB", crc32(bytes((kind,)) + piece), len(piece), kind) + piece)
            position += 7 + len(piece)
            first = False
            if not payload:
                break
        self._file.write(b"".join(pieces))


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return encoded + bytes((value,))


def _items(target: Any, values: Mapping[str, Any], path: tuple[str, ...] = ()) -> None:
    """As W&B 0.31 writes them: every leaf with its nested name; what has a `_type` is one value."""
    for name, value in values.items():
        if isinstance(value, dict) and value and "_type" not in value:
            _items(target, value, (*path, name))
            continue
        item = target.add()
        item.nested_key.extend(part.encode() for part in (*path, name))
        text = json.dumps(value)
        item.value_json = _SPECIAL.get(str(value), text).encode() if isinstance(value, float) else text.encode()
