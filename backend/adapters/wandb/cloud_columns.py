"""A history on its way from the reading process, and on disk: a file of columns."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""W&B writes these as strings, because JSON has no numbers for them."""
_FILES: Final = "-file"
"""How the types of logged files end: image-file, table-file, audio-file."""


@dataclass(kw_only=True)
class Columns:
    """`steps` [n], `times` [n] in Unix seconds, and `columns` [n] with NaN where a row has no value.

    `not_numbers` counts the NaN that were logged as such; `media` are the values that name a file, with `metric` and
    `step`. `revision` is that of the run whose whole history this is.
    """

    revision: str = ""

    steps: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    columns: dict[str, array[float]] = field(default_factory=dict)
    not_numbers: dict[str, int] = field(default_factory=dict)
    media: list[dict[str, Any]] = field(default_factory=list)

    @property
    def last_step(self) -> int:
        return self.steps[-1] if self.steps else -1

    def add(self, row: Mapping[str, Any]) -> None:
        """One row as W&B gives it."""
        before = len(self.steps)
        step = int(row.get("_step", before))
        self.steps.append(step)
        self.times.append(float(row.get("_timestamp") or math.nan))
        for name, value in _leaves({key: row[key] for key in row if not is_own(key)}, ""):
            if isinstance(value, Mapping):
                self._add_media(name, step, value)
            else:
                column = self.columns.get(name)
                if column is None:
                    column = self.columns[name] = array("d", [math.nan]) * before
                column.append(value)
                if math.isnan(value):
                    self.not_numbers[name] = self.not_numbers.get(name, 0) + 1
        for column in self.columns.values():
            if len(column) == before:
                column.append(math.nan)

    def extended(self, later: Columns) -> Columns:
        """These rows and then those of `later`, as new columns."""
        before, after = len(self.steps), len(later.steps)
        names = [*self.columns, *(name for name in later.columns if name not in self.columns)]
        gap = array("d", [math.nan])
        return Columns(
            steps=self.steps + later.steps,
            times=self.times + later.times,
            columns={
                name: self.columns.get(name, gap * before) + later.columns.get(name, gap * after) for name in names
            },
            not_numbers={
                name: self.not_numbers.get(name, 0) + later.not_numbers.get(name, 0)
                for name in {*self.not_numbers, *later.not_numbers}
            },
            media=[*self.media, *later.media],
        )

    def write(self, path: Path) -> None:
        """To an .npz, aside and renamed: a reader never meets half a file."""
        told = {
            "revision": self.revision,
            "names": list(self.columns),
            "not_numbers": self.not_numbers,
            "media": self.media,
        }
        arrays: dict[str, Any] = {f"c{n}": np.asarray(column) for n, column in enumerate(self.columns.values())}
        aside = path.with_name(f"{path.name}.part")
        with aside.open("wb") as file:
            np.savez(
                file,
                told=np.array(json.dumps(told)),
                steps=np.asarray(self.steps),
                times=np.asarray(self.times),
                **arrays,
            )
        aside.rename(path)

    @classmethod
    def read(cls, path: Path) -> Columns:
        """What `write` wrote; raises `OSError` or `ValueError` for anything else."""
        with np.load(path, allow_pickle=False) as file:
            told = json.loads(str(file["told"]))
            return cls(
                revision=told["revision"],
                steps=array("q", file["steps"].tobytes()),
                times=array("d", file["times"].tobytes()),
                columns={name: array("d", file[f"c{n}"].tobytes()) for n, name in enumerate(told["names"])},
                not_numbers=told["not_numbers"],
                media=told["media"],
            )

    def _add_media(self, name: str, step: int, value: Mapping[str, Any]) -> None:
        """One file, or W&B's way to write several images at once."""
        if str(value.get("_type", "")).endswith(_FILES) and isinstance(value.get("path"), str):
            self.media.append({"metric": name, "step": step, **_plain(value)})
        elif value.get("_type") == "images/separated":
            captions = value.get("captions") or []
            for index, path in enumerate(value.get("filenames") or []):
                caption = captions[index] if index < len(captions) else ""
                item = {**_plain(value), "_type": "image-file", "path": path, "caption": caption}
                self.media.append({"metric": name, "step": step, **item})


def write_columns(to: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Write the rows to the .npz `to`; returns their number and the last step."""
    columns = Columns()
    for row in rows:
        columns.add(row)
    columns.write(Path(to))
    return {"rows": len(columns.steps), "last_step": columns.last_step}


def is_own(name: str) -> bool:
    """Whether the value is W&B's own (`_step`, `_runtime`, `_wandb`) and no metric of the run's."""
    return name.startswith("_")


def number(value: Any) -> float | None:
    """The value as W&B's JSON means it; None for what is no number."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    return _NOT_FINITE.get(value) if isinstance(value, str) else None


def _leaves(row: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Numbers, and mappings that are W&B's own types; keys of nested values are joined with dots."""
    for key, value in row.items():
        if isinstance(value, Mapping):
            if "_type" in value:
                yield prefix + key, value
            else:
                yield from _leaves(value, f"{prefix}{key}.")
        elif (found := number(value)) is not None:
            yield prefix + key, found


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: inner for key, inner in value.items() if isinstance(inner, (str, int, float))}
