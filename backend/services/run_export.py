"""Runs as files for other tools: one row a run, or one row a step, as CSV or Parquet.

pyarrow is imported when somebody exports: it takes half a second.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from backend.domain.run_columns import Column
from backend.domain.run_query import Value
from backend.domain.tracking import History, Run
from backend.services.run_history import Columns

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "parquet"]
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def runs_file(runs: Sequence[Run], cells: Mapping[Column, Mapping[str, Value]], kind: Format) -> bytes:
    """One row a run: what identifies it, the metrics' values in `cells` (by column and run key) as `METRIC@best`, then
    all of its configuration and summary as `config.NAME` and `summary.NAME`.
    """
    rows = [
        {
            "project": run.project,
            "id": run.id,
            "name": run.name,
            "state": run.state.value,
            "created_at": run.created_at,
            "runtime_seconds": run.runtime,
            "group": run.group,
            "job_type": run.job_type,
            "tags": ", ".join(run.tags),
            **{column.word: found.get(run.key) for column, found in cells.items()},
            **{f"config.{name}": value for name, value in run.flat_config.items()},
            **{f"summary.{name}": value for name, value in run.flat_summary.items()},
        }
        for run in runs
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    return _written({name: _of_one_type([row.get(name) for row in rows]) for name in names}, kind)


def history_file(runs: Sequence[Run], histories: Mapping[str, History], kind: Format) -> bytes:
    """One row a logged step, of the runs in their order: project, id, name, step, time in Unix seconds, each metric,
    NaN (in CSV: empty) where the row did not log it. Steps of a resumed part go on after the part before.
    """
    parts = [(run, Columns(history), history) for run in runs if (history := histories.get(run.key)) is not None]
    lengths = [len(history) for _, _, history in parts]
    columns: dict[str, Any] = {
        name: [value for (run, _, _), n in zip(parts, lengths, strict=True) for value in [getattr(run, name)] * n]
        for name in ("project", "id", "name")
    }
    columns["step"] = np.concatenate([told.steps.astype(np.int64) for _, told, _ in parts] or [np.empty(0, np.int64)])
    columns["time"] = _joined([history.times for _, _, history in parts], lengths)
    for metric in sorted({metric for _, _, history in parts for metric in history.columns}):
        columns[metric] = _joined([history.columns.get(metric, ()) for _, _, history in parts], lengths)
    return _written(columns, kind)


def _joined(columns: Sequence[Sequence[float]], lengths: Sequence[int]) -> Any:
    rows = [
        np.asarray(column, dtype=np.float64) if len(column) else np.full(n, np.nan)
        for column, n in zip(columns, lengths, strict=True)
    ]
    return np.concatenate(rows or [np.empty(0)])


def _of_one_type(values: list[Any]) -> list[Any]:
    """Numbers, or words when not all are numbers: a column of a file has one type."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values] if float in kinds else values
    if len(kinds) <= 1:
        return values
    return [None if value is None else str(value) for value in values]


def _written(columns: Mapping[str, Any], kind: Format) -> bytes:
    import pyarrow as pa

    target = io.BytesIO()
    if kind == "parquet":
        import pyarrow.parquet as parquet

        parquet.write_table(pa.table(dict(columns)), target)
    else:
        import pyarrow.csv as csv

        csv.write_csv(_for_spreadsheets(pa.table(dict(columns))), target)
    return target.getvalue()


def _for_spreadsheets(table: pa.Table) -> pa.Table:
    """A text that a spreadsheet would take for a formula gets an apostrophe before it: names of runs are anybody's
    (https://owasp.org/www-community/attacks/CSV_Injection). NaN becomes empty.
    """
    import pyarrow as pa
    import pyarrow.compute as compute

    for number, field in enumerate(table.schema):
        column = table.column(number)
        if pa.types.is_string(field.type):
            told = [
                f"'{text}" if text is not None and text.startswith(_FORMULA) else text for text in column.to_pylist()
            ]
            table = table.set_column(number, field.name, pa.array(told, pa.string()))
        elif pa.types.is_floating(field.type):
            nothing = pa.scalar(None, field.type)
            table = table.set_column(number, field.name, compute.if_else(compute.is_nan(column), nothing, column))
    return table
