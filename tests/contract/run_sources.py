"""Sources of runs under one contract: a fake, files as W&B's library writes them, a server that its client reads."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from backend.adapters.wandb.cloud import CloudRuns
from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import Asked
from backend.adapters.wandb.offline import OfflineRuns
from backend.ports.tracking import RunReader
from backend.services.runs import Runs
from tests.fakes.tracking import NOON, FakeRuns
from tests.fakes.wandb_log import RunLog
from tests.fakes.wandb_server import ENTITY, KEY, WandbServer
from tests.fakes.wandb_store import StoredRun

MAIN = "digit_classification"
Metrics = Mapping[str, Sequence[float]]


class RunSourceUnderTest(Protocol):
    @property
    def reader(self) -> RunReader: ...

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
        project: str = MAIN,
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


class ServerSource:
    """The stand-in server over HTTP, read by the real client. A project is a reader of its own, as in the product."""

    def __init__(self, folder: Path) -> None:
        self.server = WandbServer()
        self.server.projects[ENTITY, MAIN] = {}
        key = {"key": KEY, "base_url": self.server.url, "entity": ENTITY}
        self._process = CloudProcess(os.environ, **key, log=folder / "worker.log")
        self._folder = folder
        self._readers: dict[str, CloudRuns] = {}
        self._changed = False
        self._read(MAIN)

    @property
    def reader(self) -> RunReader:
        """With what the server has by now."""
        if self._changed:
            for reader in self._readers.values():
                reader.refresh()
                while reader.status().refreshing:
                    time.sleep(0.01)
            self._changed = False
        readers = list(self._readers.values())
        return readers[0] if len(readers) == 1 else Runs(readers)  # type: ignore[return-value]

    def add(self, run_id: str, metrics: Metrics, *, minute: int = 0, **given: Any) -> None:
        began: datetime = NOON + timedelta(minutes=minute)
        rows: list[dict[str, Any]] = []
        for step, row in enumerate(zip(*metrics.values(), strict=True)):
            told = {name: _as_json(value) for name, value in zip(metrics, row, strict=True) if value == value}
            rows.append({"_step": step, "_timestamp": began.timestamp() + step, "_runtime": float(step), **told})
        media: Mapping[str, bytes] = given.pop("media", None) or {}
        system: Metrics = given.pop("system", None) or {}
        events = [dict(zip(system, row, strict=True)) for row in zip(*system.values(), strict=True)]
        summary = {name: value for row in rows for name, value in row.items()}
        for path in media:
            rows[0]["sample"] = {"_type": "image-file", "path": path}
        run = StoredRun(
            id=run_id,
            created_at=began,
            history=rows,
            summary=summary,
            files=dict(media),
            events=[{"_timestamp": 0.0, **{f"system.{name}": event[name] for name in event}} for event in events],
            config=dict(given.pop("config", None) or {}),
            tags=list(given.pop("tags", ())),
            log=list(given.pop("console", ())),
            group=given.pop("group", ""),
        )
        project = given.pop("project", MAIN)
        self.server.add(run, project=project)
        self._read(project)

    def close(self) -> None:
        self._process.close()
        self.server.close()

    def _read(self, project: str) -> None:
        self._changed = True
        if project not in self._readers:
            asked = Asked(base_url=self.server.url, entity=ENTITY, project=project)
            self._readers[project] = CloudRuns(
                self._process, asked, folder=self._folder / project, clock=lambda: datetime.now(UTC)
            )


def _as_json(value: float) -> float | str:
    """W&B writes infinities as words."""
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
