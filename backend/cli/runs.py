"""runs list, runs show, runs history: what W&B recorded, on this machine and on its server."""

from __future__ import annotations

import math
import sys
import time
from argparse import Namespace
from typing import Any, Final

from backend.assembly import Backend
from backend.cli.documents import Answer, Document, neutral, table, time_text
from backend.domain.tracking import Json, Run, RunFilter, RunState
from backend.errors import InvalidInputError, NotFoundError

_SETTLING_SECONDS: Final = 15.0


def list_runs(backend: Backend, options: Namespace) -> Answer:
    where = RunFilter(
        project=options.project,
        group=options.group,
        states=frozenset({RunState(options.state)}) if options.state else frozenset(),
        tags=frozenset(options.tag),
        text=options.text,
    )
    settle(backend)
    page = backend.runs.list_runs(where, limit=options.limit)
    _say_troubles(backend)
    rows = [
        {
            "id": run.id,
            "state": run.state.value,
            "project": run.project,
            "group": run.group,
            "step": run.last_step if run.last_step >= 0 else "",
            "created": time_text(run.created_at),
            "source": _source(run),
        }
        for run in page.runs
    ]
    text = table(rows, "No runs: train something first, or name other folders with DIGITS_RUNS.")
    more = f"\n{page.total - len(page.runs)} more: raise --limit" if page.total > len(page.runs) else ""
    return [run_document(run) for run in page.runs], text + more, 0


def settle(backend: Backend) -> None:
    """Wait until each source has answered, or failed: a command has no later look, as a page has."""
    deadline = time.monotonic() + _SETTLING_SECONDS
    while any(source.refreshing for source in backend.runs.sources()) and time.monotonic() < deadline:
        time.sleep(0.05)


def show(backend: Backend, options: Namespace) -> Answer:
    settle(backend)
    run = backend.runs.get_run(options.id)
    lines = [
        f"{run.name}  {run.state.value}  {run.project}/{run.id}  {_source(run)}",
        f"created   {time_text(run.created_at)}, ran {run.runtime:.0f} s, {run.last_step + 1} steps",
    ]
    lines += [f"group     {run.group}"] if run.group else []
    lines += [f"tags      {', '.join(run.tags)}"] if run.tags else []
    lines += [f"damaged   {run.damaged} places in its files could not be read"] if run.damaged else []
    lines += [f"notice    {run.notice}"] if run.notice else []
    lines += [f"config    {name} = {value}" for name, value in run.flat_config.items()]
    lines += [
        f"metric    {name}: last {stats.last:.6g}, min {stats.minimum:.6g} at {stats.minimum_step}, "
        f"max {stats.maximum:.6g} at {stats.maximum_step}"
        for name, stats in sorted(run.stats.items())
    ]
    return run_document(run), "\n".join(neutral(line) for line in lines), 0


def history(backend: Backend, options: Namespace) -> Answer:
    settle(backend)
    run = backend.runs.get_run(options.id)
    metrics = options.metric or list(run.metrics)
    rows = backend.runs.histories([run.key], metrics)[run.key]
    unknown = sorted(set(options.metric) - set(rows.columns))
    if unknown:
        raise NotFoundError(
            f"Run '{run.id}' did not log '{unknown[0]}'.", hint=f"It logged {', '.join(run.metrics) or 'nothing'}."
        )
    documents: list[Document] = [
        {
            "step": rows.steps[row],
            "time": _finite(rows.times[row]),
            **{name: _finite(column[row]) for name, column in sorted(rows.columns.items())},
        }
        for row in range(len(rows))
    ]
    if options.limit < 0:
        raise InvalidInputError(f"--limit is {options.limit}; expected 0 or more.")
    shown = documents[-options.limit :] if options.limit else documents
    return shown, table([{**row, "time": ""} for row in shown], "It logged nothing."), 0


def run_document(run: Run) -> Document:
    return {
        "id": run.id,
        "key": run.key,
        "name": run.name,
        "project": run.project,
        "entity": run.entity,
        "state": run.state.value,
        "source": _source(run),
        "synced": run.synced,
        "url": run.url,
        "group": run.group,
        "job_type": run.job_type,
        "tags": list(run.tags),
        "created_at": time_text(run.created_at),
        "updated_at": time_text(run.updated_at),
        "ended_at": time_text(run.ended_at),
        "runtime": run.runtime,
        "exit_code": run.exit_code,
        "last_step": run.last_step,
        "rows": run.rows,
        "partial": run.partial,
        "damaged": run.damaged,
        "metrics": list(run.metrics),
        "config": _plain(run.config),
        "summary": _plain(run.summary),
    }


def _source(run: Run) -> str:
    return "+".join(source.value for source in run.sources)


def _say_troubles(backend: Backend) -> None:
    for source in backend.runs.sources():
        if source.error:
            print(neutral(f"{source.source.value}: {source.error} {source.hint}"), file=sys.stderr)


def _plain(value: Json) -> Any:
    """JSON has no NaN and no infinity: they are told as W&B does, in words."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return {name: _plain(inner) for name, inner in value.items()} if hasattr(value, "items") else value


def _finite(value: float) -> Any:
    return None if value != value else _plain(value)
