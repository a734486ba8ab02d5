"""What a training goes on from: one file with everything that decides how it continues.

A file is written aside, flushed to the disk and renamed, so that a kill leaves the one before; the newest two are kept.
It is an .npz, whose entries carry checksums: a torn one is known, and passed over.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .config import TrainConfig
from .failures import ConfigError

Arrays = Sequence[npt.NDArray[Any]]

KEPT: Final = 2
_FREE: Final = frozenset({"checkpoint_minutes", "export", "serving_instance", "saved_model"})
"""What may differ between the training that wrote a checkpoint and the one that goes on from it."""
_MOST_BYTES: Final = 2_000_000_000


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training after `step` steps: the variables of model and optimiser, and what was reported until then.

    `best` are the model's variables at its best epoch so far when early stopping wants them, else empty.
    """

    step: int
    model: Arrays
    optimizer: Arrays
    best: Arrays = ()
    reported: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class CheckpointFolder:
    """Checkpoints of one training. `notify` hears of files that had to be passed over."""

    def __init__(self, folder: Path, config: TrainConfig, notify: Callable[[str], None]) -> None:
        self._folder = folder
        self._config = {name: value for name, value in dataclasses.asdict(config).items() if name not in _FREE}
        self._notify = notify

    def save(self, checkpoint: Checkpoint) -> None:
        """Write it, unless a number in it is not finite: from that nothing good continues. Raises OSError."""
        arrays = {
            f"{kind}_{number}": array
            for kind in ("model", "optimizer", "best")
            for number, array in enumerate(getattr(checkpoint, kind))
        }
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return
        about = {"config": self._config, "step": checkpoint.step, "reported": checkpoint.reported}
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"checkpoint-{checkpoint.step:010d}.npz"
        partial = target.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                np.savez(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        for old in self._files()[KEPT:]:
            old.unlink(missing_ok=True)

    def newest(self) -> Checkpoint | None:
        """The last whole checkpoint; None when there is none.

        Raises `ConfigError` when it was made by a training that differs in what the result depends on.
        """
        for path in self._files():
            try:
                about, arrays = _read(path)
                step, reported = int(about["step"]), dict(about["reported"])
                # What a training knew nothing of yet had no part in it, as by default.
                made_by = dataclasses.asdict(TrainConfig()) | dict(about["config"])
            except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                self._notify(
                    f"The checkpoint '{path.name}' cannot be used ({type(error).__name__}): trying an older one."
                )
                continue
            self._refuse_another(path, made_by)
            return Checkpoint(
                step=step,
                model=arrays["model"],
                optimizer=arrays["optimizer"],
                best=arrays["best"],
                reported=reported,
            )
        return None

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("checkpoint-*.npz"), reverse=True)

    def _refuse_another(self, path: Path, made_by: Mapping[str, Any]) -> None:
        for name, value in self._config.items():
            if made_by.get(name) != value:
                raise ConfigError(
                    f"'{path.name}' was written by a training with {name}={made_by.get(name)}; this one has "
                    f"{name}={value}. Resume with the same hyperparameters, or train anew."
                )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Arrays]]:
    with path.open("rb") as file, zipfile.ZipFile(file) as content:
        if sum(entry.file_size for entry in content.infolist()) > _MOST_BYTES:
            raise ValueError("larger than any checkpoint")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        about = json.loads(archive["about"].tobytes())
        arrays: dict[str, Arrays] = {}
        for kind in ("model", "optimizer", "best"):
            count = sum(name.startswith(f"{kind}_") for name in archive.files)
            arrays[kind] = [archive[f"{kind}_{number}"] for number in range(count)]
    return about, arrays
