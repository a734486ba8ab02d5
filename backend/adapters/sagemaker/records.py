"""Our frozen records as JSON documents, and back: what the product keeps as S3 objects.

One reader for all of them, driven by the dataclass itself, so that a field that the domain gains is kept from that day
on. A document older than a field reads with the field's default; a field that this version does not know (a newer
dashboard wrote it) is passed over.
"""

from __future__ import annotations

import base64
import hashlib
import json
import types
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, Generic, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from backend.errors import StoreError

Record = TypeVar("Record")


class _Array(Generic[Record]):
    """Stands for `array` in annotations: before Python 3.12 `array[float]` cannot be evaluated."""


def to_document(record: Any) -> dict[str, Any]:
    """The record as plain JSON values."""
    document: dict[str, Any] = _plain(record)
    return document


def from_document(kind: type[Record], document: Mapping[str, Any], *, where: str) -> Record:
    """Read what `to_document` made. Raises `StoreError` naming `where` for anything else."""
    try:
        return cast("Record", _read(kind, document))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"'{where}' is not a {kind.__name__}: {type(error).__name__} {error}.",
            hint="Something else wrote it. Move the object away and look again.",
        ) from error


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of the document, whatever the order of its names."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, array):  # of float32, the only ones that we keep
        return base64.b64encode(value.tobytes()).decode()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def _read(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return (
            None if value is None else _read_one_of([part for part in get_args(kind) if part is not type(None)], value)
        )
    if kind in _READERS:
        return _READERS[kind](value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if is_dataclass(kind) and isinstance(kind, type):
        return _read_record(kind, value)
    if origin is tuple:
        parts = get_args(kind)
        each = [parts[0]] * len(value) if parts[1:] == (Ellipsis,) else parts
        return tuple(_read(part, item) for part, item in zip(each, value, strict=True))
    if origin is _Array:
        return _floats(value)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _read(get_args(kind)[1], item) for key, item in value.items()}
    return value


def _floats(text: str) -> array[float]:
    floats = array("f")
    floats.frombytes(base64.b64decode(text, validate=True))
    return floats


def _read_one_of(kinds: Sequence[Any], value: Any) -> Any:
    """JSON keeps numbers, texts and truth values apart by itself; only a lone kind has to be built."""
    return _read(kinds[0], value) if len(kinds) == 1 else value


def _read_record(kind: type, value: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    given = {field.name: _read(hints[field.name], value[field.name]) for field in _kept(kind) if field.name in value}
    missing = [field.name for field in _kept(kind) if field.name not in value and not _has_default(field)]
    if missing:
        raise KeyError(f"it has no '{missing[0]}'")
    return kind(**given)


def _kept(kind: type) -> Sequence[Field[Any]]:
    return [field for field in fields(kind) if field.init]


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind, localns={"array": _Array})


_READERS: Mapping[Any, Any] = {
    datetime: datetime.fromisoformat,
    timedelta: lambda seconds: timedelta(seconds=seconds),
    bytes: lambda text: base64.b64decode(text, validate=True),
    float: float,
    int: int,
    str: str,
}
