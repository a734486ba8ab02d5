"""A source of runs that tests fill by hand; it keeps the contract that the real ones keep."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.domain.tracking import (
    EVERY_RUN,
    Console,
    ConsoleLine,
    History,
    MediaItem,
    Run,
    RunFilter,
    RunPage,
    RunSource,
    RunState,
    SourceStatus,
    no_history,
)
from backend.errors import DigitsError, InvalidInputError, NotFoundError
from backend.ports.tracking import LARGEST_MEDIA, MOST_LINES, MOST_MEDIA, MOST_RUNS, RunReader

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAN = float("nan")


def history(metrics: Mapping[str, Sequence[float]], *, start: float = NOON.timestamp()) -> History:
    """Columns of equal length, one row a second; `float("nan")` where a metric was not logged."""
    (length,) = {len(values) for values in metrics.values()}
    return History(
        steps=array("q", range(length)),
        times=array("d", [start + second for second in range(length)]),
        columns={name: array("d", values) for name, values in metrics.items()},
        segments=(0,) if length else (),
    )


class FakeRuns:
    """`RunReader` over runs that a test adds. With `failure` set, what may wait fails with it, and `status` tells."""

    def __init__(self, source: RunSource = RunSource.OFFLINE) -> None:
        self.source = source
        self.failure: DigitsError | None = None
        self.refreshed = 0
        self._count = itertools.count(1)
        self._runs: dict[str, Run] = {}
        self._histories: dict[str, History] = {}
        self._system: dict[str, History] = {}
        self._consoles: dict[str, list[ConsoleLine]] = {}
        self._media: dict[str, list[tuple[MediaItem, bytes]]] = {}

    def add_run(
        self,
        run_id: str,
        metrics: Mapping[str, Sequence[float]] | None = None,
        *,
        system: Mapping[str, Sequence[float]] | None = None,
        console: Sequence[str] = (),
        media: Sequence[tuple[MediaItem, bytes]] = (),
        **given: Any,
    ) -> Run:
        """A finished run, or what `given` (fields of `Run`) says; adding one with the same key replaces it.

        Later runs are newer, by a minute each, unless `created_at` is given.
        """
        number = next(self._count)
        created = given.pop("created_at", NOON + timedelta(minutes=number))
        rows = history(metrics) if metrics else no_history()
        logged = [[v for v in values if v == v] for values in (metrics or {}).values()]
        run = Run(
            **{
                "id": run_id,
                "name": run_id,
                "project": "digit_classification",
                "state": RunState.FINISHED,
                "created_at": created,
                "updated_at": created + timedelta(seconds=max(1, len(rows))),
                "ended_at": created + timedelta(seconds=max(1, len(rows))),
                "runtime": float(max(1, len(rows))),
                "sources": (self.source,),
                "revision": str(number),
                "summary": {name: values[-1] for name, values in zip(metrics or {}, logged, strict=True) if values},
                "metrics": tuple(sorted(metrics or {})),
                "last_step": len(rows) - 1,
                "rows": len(rows),
                **({"ended_at": None} if given.get("state") is RunState.RUNNING else {}),
                **given,
            }
        )
        self._runs[run.key] = run
        self._histories[run.key] = rows
        self._system[run.key] = history(system) if system else no_history()
        self._consoles[run.key] = [ConsoleLine(text=text) for text in console]
        self._media[run.key] = list(media)
        return run

    def status(self) -> SourceStatus:
        error, hint = (self.failure.message, self.failure.hint) if self.failure else ("", "")
        return SourceStatus(source=self.source, as_of=NOON, stale=bool(error), error=error, hint=hint)

    def token(self) -> str:
        return ",".join(f"{key}@{run.revision}" for key, run in self._runs.items())

    def list_runs(self, where: RunFilter = EVERY_RUN, *, offset: int = 0, limit: int = MOST_RUNS) -> RunPage:
        admitted = [run for run in self._runs.values() if where.admits(run)]
        admitted.sort(key=lambda run: (run.created_at, run.key), reverse=True)
        return RunPage(runs=admitted[offset : offset + limit], total=len(admitted))

    def get_run(self, key: str) -> Run:
        if key in self._runs:
            return self._runs[key]
        having = [run for run in self._runs.values() if run.id == key]
        if len(having) != 1:
            raise NotFoundError(f"Run '{key}' is not known." if not having else f"{len(having)} runs have id '{key}'.")
        return having[0]

    def histories(self, keys: Collection[str], metrics: Collection[str] | None = None) -> Mapping[str, History]:
        self._fail_if_told()
        found = {}
        for key in keys:
            if key in self._runs:
                rows = self._histories[key]
                columns = {name: rows.columns[name] for name in rows.columns if metrics is None or name in metrics}
                found[key] = replace(rows, columns=columns, revision=self._runs[key].revision)
        return found

    def system_metrics(self, key: str) -> History:
        return self._system[self._having(key)]

    def console(self, key: str, *, lines: int = MOST_LINES) -> Console:
        told = self._consoles[self._having(key)]
        return Console(lines=tuple(told[-lines:]), earlier=len(told) > lines)

    def media(self, key: str, *, limit: int = MOST_MEDIA) -> Sequence[MediaItem]:
        return [item for item, _ in self._media[self._having(key)]][-limit:]

    def read_media(self, key: str, path: str) -> bytes:
        for item, content in self._media[self._having(key)]:
            if item.path == path:
                if len(content) > LARGEST_MEDIA:
                    raise InvalidInputError(f"'{path}' has {len(content)} bytes; expected at most {LARGEST_MEDIA}.")
                return content
        raise NotFoundError(f"Run '{key}' has no file '{path}'.")

    def refresh(self) -> None:
        self.refreshed += 1

    def _having(self, key: str) -> str:
        self._fail_if_told()
        return self.get_run(key).key

    def _fail_if_told(self) -> None:
        if self.failure is not None:
            raise self.failure


def _conforms(reader: FakeRuns) -> RunReader:
    return reader
