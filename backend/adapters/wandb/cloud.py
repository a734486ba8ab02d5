"""Runs on a W&B server, of W&B's cloud or one's own, through W&B's own client in a process of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote
from uuid import uuid4

from backend.adapters.wandb.cloud_columns import Columns
from backend.adapters.wandb.cloud_histories import CloudHistories
from backend.adapters.wandb.cloud_listing import CloudListing, Look
from backend.adapters.wandb.cloud_parse import (
    is_within,
    parse_console,
    parse_history,
    parse_media,
    parse_run,
    parse_system,
    with_stats,
)
from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import Asked, CloudTroubleError, explained
from backend.domain.tracking import (
    EVERY_RUN,
    Console,
    History,
    MediaItem,
    Run,
    RunFilter,
    RunPage,
    RunSource,
    SourceStatus,
)
from backend.errors import InvalidInputError, NotFoundError, PlatformError
from backend.ports.clock import Clock
from backend.ports.tracking import LARGEST_MEDIA, MOST_LINES, MOST_MEDIA, MOST_RUNS, RunReader

DEFAULT_URL: Final = "https://api.forge.coreweave.com"
"""Where the pinned client goes unless `WANDB_BASE_URL` says otherwise."""
_PATIENCE: Final = 14.0
_SYSTEM_SAMPLES: Final = 1_000
"""A server chooses as many of the rows; at one in 15 s they are four hours whole."""


class CloudRuns:
    """`RunReader` of one project on one server. `folder` keeps what was read, for later and for a dead server."""

    def __init__(self, process: CloudProcess, asked: Asked, *, folder: Path, clock: Clock) -> None:
        self._process = process
        self._listing = CloudListing(process, asked, folder, clock)
        self._histories = CloudHistories(process, folder / "histories")
        self._folder = folder
        self._read: dict[str, tuple[Mapping[str, Any], Run]] = {}
        self._whole: dict[str, tuple[Run, Columns, Run]] = {}

    def status(self) -> SourceStatus:
        look, asked = self._listing.now(), self._listing.asked()
        known, error = look.known, look.error
        detail = f"{asked.path} at {asked.host}"
        if known is not None and known.total > len(known.runs):
            detail += f", the newest {len(known.runs):,} of {known.total:,} runs"
        return SourceStatus(
            source=RunSource.CLOUD,
            as_of=known.as_of if known else None,
            stale=error is not None,
            refreshing=look.refreshing,
            error=error.message if error else "",
            hint=error.hint if error else "",
            detail=detail,
        )

    def token(self) -> str:
        return str(hash(tuple((run.key, run.revision) for run in self._runs(self._listing.now()).values())))

    def list_runs(self, where: RunFilter = EVERY_RUN, *, offset: int = 0, limit: int = MOST_RUNS) -> RunPage:
        admitted = [run for run in self._runs(self._listing.now()).values() if where.admits(run)]
        admitted.sort(key=lambda run: (run.created_at, run.key), reverse=True)
        return RunPage(runs=admitted[offset : offset + limit], total=len(admitted))

    def get_run(self, key: str) -> Run:
        look, asked = self._listing.now(), self._listing.asked()
        runs = self._runs(look)
        if key in runs:
            return runs[key]
        having = [run for run in runs.values() if run.id == key]
        if len(having) == 1:
            return having[0]
        if look.known is None or look.error is not None:
            # It may well be there: that there is no such run cannot be said.
            raise look.error or PlatformError(f"W&B at {asked.host} has not answered yet.", hint="Wait some seconds.")
        project, _, run_id = key.rpartition("/")
        if look.known.total > len(look.known.runs) and unquote(project) in ("", asked.project):
            document = self._ask("run", entity=look.known.entity, project=asked.project, run=unquote(run_id))
            return parse_run(document)
        raise NotFoundError(
            f"W&B at {asked.host} has no run '{key}' in '{asked.path}'.",
            hint="`python -m backend runs list` shows what there is.",
        )

    def histories(self, keys: Collection[str], metrics: Collection[str] | None = None) -> Mapping[str, History]:
        runs = self._listed(self._listing.now())
        found, failure = self._histories.read([runs[key] for key in keys if key in runs])
        if failure is not None and not found:
            raise explained(failure.trouble, self._listing.asked()) from failure
        names = None if metrics is None else list(metrics)
        return {key: parse_history(kept.columns, names, self._told(runs[key]).revision) for key, kept in found.items()}

    def system_metrics(self, key: str) -> History:
        run = self.get_run(key)
        with self._aside() as to:
            self._ask("system", **_of(run), samples=_SYSTEM_SAMPLES, to=str(to))
            columns = Columns.read(to)
        return replace(parse_system(columns, run.revision), sampled=len(columns.steps) >= _SYSTEM_SAMPLES)

    def console(self, key: str, *, lines: int = MOST_LINES) -> Console:
        return parse_console(self._ask("console", **_of(self.get_run(key)), last=lines + 1), wanted=lines)

    def media(self, key: str, *, limit: int = MOST_MEDIA) -> Sequence[MediaItem]:
        key = self.get_run(key).key
        found, failure = self._histories.read([self._listed(self._listing.now())[key]])
        if failure is not None and key not in found:
            raise explained(failure.trouble, self._listing.asked()) from failure
        return parse_media(found[key].columns)[-limit:]

    def read_media(self, key: str, path: str) -> bytes:
        run = self.get_run(key)
        with self._aside() as to:
            asked = {"name": path, "to": str(to), "largest": LARGEST_MEDIA}
            size = self._ask("file", **_of(run), **asked)["size"] if is_within(path) else None
            if size is None:
                raise NotFoundError(f"Run '{run.key}' has no file '{path}' on W&B.")
            if size > LARGEST_MEDIA:
                raise InvalidInputError(f"'{path}' has {size:,} bytes; expected at most {LARGEST_MEDIA:,}.")
            return to.read_bytes()

    def refresh(self) -> None:
        self._listing.refresh()

    def _listed(self, look: Look) -> Mapping[str, Run]:
        """The runs as the server listed them, by key; the same object as long as the server says the same."""
        runs: dict[str, Run] = {}
        for run_id, document in (look.known.runs if look.known else {}).items():
            before = self._read.get(run_id)
            if before is None or (before[0] is not document and before[0] != document):
                before = (document, parse_run(document))
                self._read[run_id] = before
            runs[before[1].key] = before[1]
        return runs

    def _runs(self, look: Look) -> Mapping[str, Run]:
        return {key: self._told(run) for key, run in self._listed(look).items()}

    def _told(self, run: Run) -> Run:
        """The run with what its history says, where that is at hand."""
        kept = self._histories.kept(run.key)
        if kept is None or kept.revision != run.revision:
            return run
        before = self._whole.get(run.key)
        if before is None or before[0] is not run or before[1] is not kept.columns:
            before = self._whole[run.key] = (run, kept.columns, with_stats(run, kept.columns))
        return before[2]

    def _ask(self, what: str, **parameters: Any) -> Any:
        try:
            return self._process.ask(what, seconds=_PATIENCE, **parameters)
        except CloudTroubleError as error:
            run = str(parameters.get("run", ""))
            raise explained(error.trouble, replace(self._listing.asked(), run=run)) from error

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        """A file's name for what is on its way here."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{uuid4().hex}.part"
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)


def _of(run: Run) -> dict[str, str]:
    return {"entity": run.entity, "project": run.project, "run": run.id}


def _conforms(reader: CloudRuns) -> RunReader:
    return reader
