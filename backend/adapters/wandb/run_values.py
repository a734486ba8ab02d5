"""W&B's JSON values: numbers for columns, nested dictionaries, and files that were logged."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from backend.adapters.wandb.log_records import text
from backend.domain.tracking import Json, MediaItem

_NAMED: Final = {
    b'"NaN"': math.nan,
    b"NaN": math.nan,
    b'"Infinity"': math.inf,
    b"Infinity": math.inf,
    b'"-Infinity"': -math.inf,
    b"-Infinity": -math.inf,
    b"true": 1.0,
    b"false": 0.0,
}
_NUMBERS_AS_TEXT: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_LARGEST_VALUE: Final = 4 * 2**20
"""Bytes of one JSON value; a larger one is told as cut off."""
_DEEPEST: Final = 32
_ABSOLUTE: Final = re.compile(r"[A-Za-z]:|[/\\]")


def number(value: bytes) -> float | None:
    """The JSON value as a column holds it; None for what is no number."""
    try:
        return float(value)
    except ValueError:
        return _NAMED.get(value)


def decoded(value: bytes) -> Json:
    """The JSON value with W&B's words for special numbers turned into numbers; text that is no JSON stays text."""
    if len(value) > _LARGEST_VALUE:
        return f"(a value of {len(value):,} bytes)"
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return text(value)
    return _NUMBERS_AS_TEXT.get(found, found) if isinstance(found, str) else found


def place(nested: dict[str, Any], path: Sequence[str], value: Json) -> None:
    """Put `value` at `path`; a scalar that stands in the way gives way."""
    for name in path[:-1]:
        below = nested.get(name)
        if not isinstance(below, dict):
            below = nested[name] = {}
        nested = below
    nested[path[-1]] = value


def remove(nested: dict[str, Any], path: Sequence[str]) -> None:
    for name in path[:-1]:
        below = nested.get(name)
        if not isinstance(below, dict):
            return
        nested = below
    nested.pop(path[-1], None)


def path_of(item: Any) -> list[str]:
    """The nested name of a message's item; empty for one without a name. What is nested beyond reason is one name."""
    if len(item.nested_key) > _DEEPEST:
        return [text(b".".join(item.nested_key))]
    if item.nested_key:
        return [text(name) for name in item.nested_key]
    return [text(item.key)] if item.key else []


def media_in(metric: str, value: Json, step: int) -> Iterator[MediaItem]:
    """The files that a logged value speaks of, those within it included."""
    if isinstance(value, list):
        for inner in value[:1_000]:
            yield from media_in(metric, inner, step)
    if not isinstance(value, Mapping):
        return
    kind = value.get("_type")
    if not isinstance(kind, str):
        for name, inner in value.items():
            yield from media_in(f"{metric}.{name}", inner, step)
        return
    many = value.get("filenames")
    paths = many if isinstance(many, list) else [value.get("path")]
    captions = value.get("captions")
    for place_in_list, path in enumerate(paths[:1_000]):
        if not isinstance(path, str) or not is_inside(path):
            continue
        told = captions[place_in_list] if isinstance(captions, list) and place_in_list < len(captions) else None
        caption = told if isinstance(told, str) else value.get("caption")
        yield MediaItem(
            metric=metric,
            step=step,
            path=path.replace("\\", "/"),
            kind="image-file" if kind == "images/separated" else kind,
            caption=caption if isinstance(caption, str) else "",
            width=_size(value.get("width")),
            height=_size(value.get("height")),
            size=_size(value.get("size")),
        )


def is_inside(path: str) -> bool:
    """Whether a relative path stays below where it starts, on any system; judged by its text alone."""
    parts = re.split(r"[/\\]", path)
    return bool(path) and "\0" not in path and not _ABSOLUTE.match(path) and ".." not in parts


def _size(value: Json) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
