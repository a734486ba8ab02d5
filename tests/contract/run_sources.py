"""Sources of runs under one contract: a fake filled by hand, and files as W&B's library writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from backend.adapters.wandb.offline import OfflineRuns
from backend.ports.tracking import RunReader
from tests.fakes.tracking import NOON, FakeRuns
from tests.fakes.wandb_log import RunLog

Metrics = Mapping[str, Sequence[float]]


class RunSourceUnderTest(Protocol):
    reader: RunReader

    def add(
        self,
        run_id: str,
        metrics: Metrics,
        *,
        minute: int = 0,
        config: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        group: str = "",
        system: Metrics | None = None,
        console: Sequence[str] = (),
        media: Mapping[str, bytes] | None = None,
        project: str = "digit_classification",
    ) -> None:
        """A finished run; NaN in `metrics` where nothing was logged, `media` by path, logged as images `sample`."""
        ...


class FakeSource:
    def __init__(self) -> None:
        self.fake = FakeRuns()
        self.reader: RunReader = self.fake

    def add(self, run_id: str, metrics: Metrics, *, minute: int = 0, **given: Any) -> None:
        from backend.domain.tracking import MediaItem

        media = [
            (MediaItem(metric="sample", step=0, path=path, kind="image-file"), content)
            for path, content in (given.pop("media", None) or {}).items()
        ]
        tags = tuple(given.pop("tags", ()))
        self.fake.add_run(run_id, metrics, media=media, tags=tags, created_at=NOON + timedelta(minutes=minute), **given)


class FilesSource:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "runs"
        self.root.mkdir()
        self.reader: RunReader = OfflineRuns([self.root], folder / "cache")

    def add(self, run_id: str, metrics: Metrics, *, minute: int = 0, **given: Any) -> None:
        began: datetime = NOON + timedelta(minutes=minute)
        system: Metrics = given.pop("system", None) or {}
        console: Sequence[str] = given.pop("console", ())
        media: Mapping[str, bytes] = given.pop("media", None) or {}
        with RunLog(self.root, run_id, began=began, **given) as log:
            for row in zip(*metrics.values(), strict=True):
                log.log({name: value for name, value in zip(metrics, row, strict=True) if value == value})
            for row in zip(*system.values(), strict=True):
                log.system(dict(zip(system, row, strict=True)))
            for line in console:
                log.print(f"{line}\n")
            for path, content in media.items():
                target = log.folder / "files" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                log.log({"sample": {"_type": "image-file", "path": path}}, step=0)
            log.exit()
