"""What a table of runs shows and is sorted by: columns as words that fit into an address.

state, name, started ...        what every run has
config.lr, summary.test/loss    a value of its configuration or summary
val/loss@best, val/loss@at:100  a metric's history as one value: last, best, min, max, first, or the one at a step
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from backend.domain.run_query import Value
from backend.errors import InvalidInputError

How = Literal["last", "best", "min", "max", "first", "at"]
HOWS: Final[tuple[How, ...]] = ("last", "best", "min", "max", "first")
FIELDS: Final[Mapping[str, str]] = {
    "state": "State",
    "name": "Run",
    "started": "Started",
    "duration": "Duration",
    "step": "Steps",
    "group": "Group",
    "job_type": "Type",
    "tags": "Tags",
    "notes": "Notes",
    "project": "Project",
    "source": "Source",
    "id": "Id",
}
"""What every run has, with the headings of its columns."""

_SMALLER: Final = re.compile(
    r"(?:^|[/_.\s-])(?:loss|error|err|mse|mae|rmse|nll|perplexity|ppl|wer|cer|latency|duration|seconds|time|ms|mistakes)"
    r"(?:$|[/_.\s-])",
    re.IGNORECASE,
)

Row = TypeVar("Row")


def smaller_is_better(metric: str) -> bool:
    """By what metrics are called; one whose name says nothing is better when it is larger."""
    return _SMALLER.search(metric) is not None


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. Of a metric, `how` says which value, and `at` the step for "at"."""

    kind: Literal["field", "config", "summary", "metric"]
    name: str
    how: How = "last"
    at: int = 0

    @property
    def word(self) -> str:
        if self.kind == "metric":
            return f"{self.name}@{self.how}:{self.at}" if self.how == "at" else f"{self.name}@{self.how}"
        return self.name if self.kind == "field" else f"{self.kind}.{self.name}"

    @property
    def label(self) -> str:
        """The heading; those of two columns may be equal."""
        match self.kind:
            case "field":
                return FIELDS[self.name]
            case "metric":
                return f"{self.name} at {self.at:,}" if self.how == "at" else f"{self.how} {self.name}"
            case _:
                return self.name


def parse_column(word: str) -> Column:
    """Raises `InvalidInputError` when it is none of the three kinds."""
    word = word.strip()
    if word in FIELDS:
        return Column(kind="field", name=word)
    for kind in ("config", "summary"):
        if word.startswith(f"{kind}.") and len(word) > len(kind) + 1:
            return Column(kind="config" if kind == "config" else "summary", name=word[len(kind) + 1 :])
    found = re.fullmatch(r"(.+)@(?:(last|best|min|max|first)|at:(\d{1,15}))", word)
    if found is None:
        raise InvalidInputError(
            f"There is no column {word[:80]!r}.",
            hint=f"Columns are {', '.join(FIELDS)}, config.NAME, summary.NAME, METRIC@best and METRIC@at:STEP.",
        )
    name, how, at = found.groups()
    if at is not None:
        return Column(kind="metric", name=name, how="at", at=int(at))
    return Column(kind="metric", name=name, how=next(known for known in HOWS if known == how))


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to sort by, and which end comes first."""

    column: Column
    descending: bool = False

    @property
    def word(self) -> str:
        return f"-{self.column.word}" if self.descending else self.column.word


def parse_order(text: str) -> tuple[Order, ...]:
    """`-val/loss@best,name`: by the first, equal ones by the second; `-` lets the largest come first.

    Raises `InvalidInputError`.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    return tuple(Order(column=parse_column(word.removeprefix("-")), descending=word[0] == "-") for word in words)


def in_order(rows: Iterable[Row], orders: Sequence[Order], value: Callable[[Row, Column], Value]) -> list[Row]:
    """The rows sorted by each order in turn; equal ones keep their places, and those without a value come last,
    whichever end is first.
    """
    found = list(rows)
    for order in reversed(orders):
        keyed = [(_sortable(value(row, order.column)), row) for row in found]
        there = [pair for pair in keyed if pair[0] is not None]
        there.sort(key=lambda pair: pair[0] or (0, 0.0, ""), reverse=order.descending)
        found = [row for _, row in there] + [row for key, row in keyed if key is None]
    return found


def differing(values: Sequence[Mapping[str, Value]]) -> list[str]:
    """Names, in order, that have not the same value in all of them; one that some lack differs."""
    names = sorted({name for one in values for name in one})
    absent = object()
    return [name for name in names if len({repr(one.get(name, absent)) for one in values}) > 1]


def _sortable(value: Value) -> tuple[int, float, str] | None:
    """Numbers before texts; None for what has no place: nothing, and not a number."""
    if value is None or value == "":
        return None
    if isinstance(value, bool | int | float):
        number = float(value)
        return None if number != number else (0, number, "")
    text = value if isinstance(value, str) else ", ".join(value)
    return (1, 0.0, text.lower()) if text else None
