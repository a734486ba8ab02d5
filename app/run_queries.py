"""Reads of runs for pages: kept for a moment, and what is made of a history for as long as its run does not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.components.run_charts import Owner, encode
from app.context import backend
from app.queries import LIVE_SECONDS
from app.reads import copied, shared
from app.run_figures import Drawing, Series, charts
from backend.domain.run_columns import Column
from backend.domain.run_query import Value
from backend.domain.run_values import is_better_smaller, value_of
from backend.domain.tracking import Console, History, MediaItem, Run, SourceStatus
from backend.errors import PlatformError
from backend.services.curves import thin
from backend.services.run_history import Columns

MOST_LISTED: Final = 10_000
_SPARK_BINS: Final = 14
_REMEMBERED: Final = 200_000  # values and sparklines; running runs leave one behind at each report


# Runs are frozen and shared as they are: a copy for every look (`copied`) costs more than the look.
@shared(ttl=LIVE_SECONDS)
def token() -> str:
    """Equal to an earlier one as long as no run has changed."""
    return backend().runs.token()


@shared(ttl=LIVE_SECONDS)
def listed() -> Sequence[Run]:
    """Every run of every source, newest first."""
    return backend().runs.list_runs(limit=MOST_LISTED).runs


@shared(ttl=LIVE_SECONDS)
def sources() -> Sequence[SourceStatus]:
    """How each source is doing. Never raises."""
    return backend().runs.sources()


@shared(ttl=LIVE_SECONDS, max_entries=100)
def run(key: str) -> Run:
    """The whole run with this key or id. Raises `NotFoundError`."""
    return backend().runs.get_run(key)


@shared(ttl=LIVE_SECONDS, max_entries=50)
def system_metrics(key: str) -> History:
    """Raises `PlatformError`."""
    return backend().runs.system_metrics(key)


@shared(ttl=LIVE_SECONDS, max_entries=50)
def console(key: str) -> Console:
    """Raises `PlatformError`."""
    return backend().runs.console(key)


@shared(ttl=LIVE_SECONDS, max_entries=50)
def media(key: str) -> Sequence[MediaItem]:
    """Raises `PlatformError`."""
    return backend().runs.media(key)


@copied(ttl=600, max_entries=500)
def media_file(key: str, path: str) -> bytes:
    """Raises `NotFoundError` when it is gone, and `PlatformError`."""
    return backend().runs.read_media(key, path)


def forget() -> None:
    """After runs were synced: the next look is a new one."""
    for read in (token, listed, sources, run):
        read.clear()


def cells(runs: Sequence[Run], column: Column) -> Mapping[str, Value]:
    """The column's value of each run, by key; only those are looked for in histories that no listing tells."""
    found = {run.key: value_of(run, column) for run in runs}
    if column.kind != "metric":
        return found
    asking = [run for run in runs if found[run.key] is None and _may_have(run, column.name)]
    kept = _remembered(asking, column.word)
    missing = [run for run in asking if run.key not in kept]
    if missing:
        histories = _as_far_as_known(missing, column.name)
        for run in missing:
            if (history := histories.get(run.key)) is not None:
                smaller = is_better_smaller(column.name, [run])
                value = Columns(history).value(column, smaller_is_better=smaller)
                kept[run.key] = _remember(run, column.word, value)
    return {**found, **kept}


def sparklines(runs: Sequence[Run], metric: str) -> Mapping[str, Sequence[float]]:
    """The course of the metric in at most 30 values, by key; nothing of a run with fewer than two."""
    word = f"{metric} as a sparkline"
    asking = [run for run in runs if _may_have(run, metric)]
    kept = _remembered(asking, word)
    missing = [run for run in asking if run.key not in kept]
    if missing:
        histories = _as_far_as_known(missing, metric)
        for run in missing:
            if (history := histories.get(run.key)) is not None:
                steps, values = Columns(history).metric(metric)
                curve = thin(steps, values, _SPARK_BINS)[1] if len(values) > 1 else values[:0]
                kept[run.key] = _remember(run, word, [round(value, 6) for value in curve.tolist()])
    return kept


def encoded_charts(runs: Sequence[Run], groups: Sequence[str], how: Drawing) -> bytes:
    """The charts of these runs as the browser takes them; made once for all who look at the same.

    `groups` names for each run what it is averaged with. Raises `PlatformError` when a history cannot be had.
    """
    identity = "\n".join([f"{run.key} {run.revision} {group}" for run, group in zip(runs, groups, strict=True)])
    return _encoded(f"{identity}\n{how}", runs, groups, how)


def encoded_system(runs: Sequence[Run], how: Drawing) -> bytes:
    """The same for what the machines did meanwhile. Raises `PlatformError`."""
    histories = [system_metrics(run.key) for run in runs]
    series = [
        _series(run, number, history, "", how)
        for number, (run, history) in enumerate(zip(runs, histories, strict=True))
    ]
    return encode(charts(series, how))


@copied(ttl=600, max_entries=24)
def _encoded(identity: str, _runs: Sequence[Run], _groups: Sequence[str], _how: Drawing) -> bytes:
    axis = {_how.x} if any(_how.x in run.metrics for run in _runs) else set()
    histories = backend().runs.histories([run.key for run in _runs], [*_how.metrics, *axis])
    series = [
        _series(run, number, history, group, _how)
        for number, (run, group) in enumerate(zip(_runs, _groups, strict=True))
        if (history := histories.get(run.key)) is not None
    ]
    return encode(charts(series, _how))


def _series(run: Run, number: int, history: History, group: str, how: Drawing) -> Series:
    columns = Columns(history)
    names = [*how.metrics, *([how.x] if how.x not in how.metrics else [])]
    metrics = {name: columns.metric(name) for name in names if name in history.columns}
    return Series(
        owner=Owner(key=run.key, name=run.name, colour=number),
        metrics={name: pair for name, pair in metrics.items() if len(pair[0])},
        times=columns.times(),
        group=group,
        not_numbers=history.not_numbers,
    )


def _as_far_as_known(runs: Sequence[Run], metric: str) -> Mapping[str, History]:
    """For the table, which is about more than this: a server that does not answer leaves its cells empty, and the
    badge of its source says why.
    """
    try:
        return backend().runs.histories([run.key for run in runs], [metric])
    except PlatformError:
        return {}


def _may_have(run: Run, metric: str) -> bool:
    return metric in run.metrics or (run.partial and not run.metrics)


@shared(ttl=None)
def _memory() -> dict[tuple[str, str, str], Any]:
    return {}


def _remembered(runs: Sequence[Run], word: str) -> dict[str, Any]:
    memory = _memory()
    return {run.key: memory[place] for run in runs if (place := (run.key, run.revision, word)) in memory}


def _remember(run: Run, word: str, value: Any) -> Any:
    memory = _memory()
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[run.key, run.revision, word] = value
    return value
