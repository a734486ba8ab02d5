"""What a run says under a name: the cells of the runs' table and what its filter compares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from backend.domain.run_columns import FIELDS, Column, How, parse_column, smaller_is_better
from backend.domain.run_query import Lookup, Value
from backend.domain.tracking import Run
from backend.errors import InvalidInputError

_PLAIN: Final = frozenset(FIELDS)


def is_better_smaller(metric: str, runs: Iterable[Run] = ()) -> bool:
    """What `define_metric` said of it in one of the runs, else what its name says."""
    for run in runs:
        definition = run.definition(metric)
        if definition is None or definition.name != metric:
            continue  # a pattern speaks of many metrics: it seldom means the goal of this one
        if definition.goal:
            return definition.goal == "minimize"
        if ends := {"min", "max"} & set(definition.summaries):
            return "min" in ends
    return smaller_is_better(metric)


def value_of(run: Run, column: Column) -> Value:
    """The cell, from what the run's listing tells; None when it tells nothing.

    A metric's value comes from the statistics over its whole history, and where they are not known yet the last one
    from the summary. The first value and that at a step are never in a listing: they need the history.
    """
    match column.kind:
        case "field":
            return field_of(run, column.name)
        case "config":
            return run.flat_config.get(column.name)
        case "summary":
            return run.flat_summary.get(column.name)
        case _:
            return _metric(run, column.name, column.how)


def field_of(run: Run, name: str) -> Value:
    """One of `FIELDS`. Times are ISO 8601 in UTC, so that they compare as text; durations are seconds."""
    match name:
        case "state":
            return run.state.value
        case "started":
            return f"{run.created_at:%Y-%m-%dT%H:%M:%SZ}"
        case "duration":
            return run.runtime
        case "step":
            return run.last_step if run.last_step >= 0 else None
        case "tags":
            return run.tags
        case "source":
            return tuple(source.value for source in run.sources)
        case _:
            return str(getattr(run, name))


def lookup(run: Run) -> Lookup:
    """What a filter's names mean for this run. A bare name that is no field is looked for in configuration and summary;
    `val/loss@best` is a metric's value, `synced` whether a W&B server has the run, `entity` its owner there.
    """

    def value(name: str) -> Value:
        if name in _PLAIN:
            return field_of(run, name)
        if name == "synced":
            return run.synced
        if name == "entity":
            return run.entity
        if "@" in name or name.startswith(("config.", "summary.")):
            try:
                return value_of(run, parse_column(name))
            except InvalidInputError:
                return None
        if name in run.flat_config:
            return run.flat_config[name]
        return run.flat_summary.get(name)

    return value


def _metric(run: Run, name: str, how: How) -> Value:
    stats = run.stats.get(name)
    if stats is None:
        return run.flat_summary.get(name) if how == "last" else None
    if how == "best":
        how = "min" if is_better_smaller(name, [run]) else "max"
    match how:
        case "last":
            return stats.last
        case "min":
            return stats.minimum
        case "max":
            return stats.maximum
        case _:
            return None
