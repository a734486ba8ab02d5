"""The folders in which W&B's library records runs: `<somewhere>/[offline-]run-<date>_<time>-<id>/run-<id>.wandb`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from backend.adapters.wandb.log_format import FileState

_NAME: Final = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-(.+)")
_MOST_FOLDERS: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """One folder, with what its log's file was when it was looked at. `began` is read from the folder's name."""

    path: str
    run_id: str
    began: datetime
    state: FileState
    synced: bool

    @property
    def log(self) -> str:
        return f"{self.path}/run-{self.run_id}.wandb"

    @property
    def files(self) -> Path:
        return Path(self.path, "files")


def run_folders(roots: Iterable[Path]) -> Iterator[RunFolder]:
    """Every run's folder in `roots` and in a `wandb` folder of theirs, each once.

    Links are not followed: `latest-run` would show a run twice, and a stranger's folder could lead anywhere. What is
    not a run of W&B is passed over; a root that is not there is empty.
    """
    seen: set[str] = set()
    for root in roots:
        for place in (root, root / "wandb"):
            for found in _in(place):
                if found.path not in seen and len(seen) < _MOST_FOLDERS:
                    seen.add(found.path)
                    yield found


def _in(place: Path) -> Iterator[RunFolder]:
    try:
        entries = list(os.scandir(place))
    except OSError:
        return
    for entry in entries:
        name = _NAME.fullmatch(entry.name)
        if name is None or not entry.is_dir(follow_symlinks=False):
            continue
        log = f"{entry.path}/run-{name[2]}.wandb"
        state = FileState.of(log)
        if state is None:
            continue
        try:
            began = datetime.strptime(name[1], "%Y%m%d_%H%M%S").astimezone()  # local time, as W&B writes it
        except ValueError:
            began = datetime.fromtimestamp(state.mtime_ns / 1e9, UTC)
        yield RunFolder(
            path=entry.path,
            run_id=name[2],
            began=began.astimezone(UTC),
            state=state,
            synced=FileState.of(f"{log}.synced") is not None,
        )
