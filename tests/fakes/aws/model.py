"""botocore's service model as a judge: of requests, as the service would, and of our own answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

_PLAIN = {"string": str, "integer": int, "long": int, "boolean": bool, "float": (int, float), "double": (int, float)}


@cache
def operation(service: str, name: str) -> OperationModel:
    """Raises `botocore.exceptions.OperationNotFoundError`."""
    return botocore.session.get_session().get_service_model(service).operation_model(name)


def faults(shape: Shape, value: Any, path: str = "") -> Iterator[str]:
    """What is wrong with `value`, in the words of a ValidationException; nothing when it fits."""
    match shape:
        case StructureShape():
            if not isinstance(value, Mapping):
                yield f"'{path}' is no structure"
                return
            for name in shape.required_members:
                if value.get(name) is None:
                    yield f"Value null at '{path}{name}' failed to satisfy constraint: Member must not be null"
            for name, member in value.items():
                if name not in shape.members:
                    yield f"Unknown member '{path}{name}'"
                elif member is not None:
                    yield from faults(shape.members[name], member, f"{path}{name}.")
        case ListShape():
            yield from _length(shape, value, path)
            for index, member in enumerate(value):
                yield from faults(shape.member, member, f"{path}{index + 1}.member.")
        case MapShape():
            yield from _length(shape, value, path)
            for key, member in value.items():
                yield from faults(shape.key, key, f"{path}key.")
                yield from faults(shape.value, member, f"{path}{key}.")
        case _:
            yield from _scalar(shape, value, path.rstrip("."))


def on_the_wire(shape: Shape, value: Any) -> Any:
    """`value` with its times as seconds, and without members that are None."""
    match shape:
        case StructureShape():
            return {name: on_the_wire(shape.members[name], v) for name, v in value.items() if v is not None}
        case ListShape():
            return [on_the_wire(shape.member, member) for member in value]
        case MapShape():
            return {key: on_the_wire(shape.value, member) for key, member in value.items()}
    return value.timestamp() if isinstance(value, datetime) else value


def from_the_wire(shape: Shape, value: Any) -> Any:
    """The other way round: seconds become times."""
    match shape:
        case StructureShape() if isinstance(value, Mapping):
            members = shape.members
            return {name: from_the_wire(members[name], v) if name in members else v for name, v in value.items()}
        case ListShape() if isinstance(value, list):
            return [from_the_wire(shape.member, member) for member in value]
    if shape.type_name == "timestamp" and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return value


def _scalar(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "timestamp":
        if not isinstance(value, datetime):
            yield f"'{path}' is no time"
        return
    expected = _PLAIN.get(shape.type_name)
    if expected is not None and (not isinstance(value, expected) or (isinstance(value, bool) != (expected is bool))):
        yield f"'{path}' is {type(value).__name__}, not {shape.type_name}"
        return
    rules = shape.metadata
    if rules.get("enum") and value not in rules["enum"]:
        allowed = rules["enum"]
        yield f"Value '{value}' at '{path}' failed to satisfy constraint: Member must satisfy enum value set: {allowed}"
    if rules.get("pattern") and isinstance(value, str) and not _fits(rules["pattern"], value):
        yield (
            f"Value '{value}' at '{path}' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {rules['pattern']}"
        )
    size = len(value) if isinstance(value, str) else value
    yield from _bounds(shape, size, path)


def _length(shape: Shape, value: Any, path: str) -> Iterator[str]:
    yield from _bounds(shape, len(value), path.rstrip("."))


def _bounds(shape: Shape, size: Any, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if isinstance(size, bool):
        return
    if low is not None and size < low:
        yield f"Value at '{path}' failed to satisfy constraint: Member must have value or length at least {low}"
    if high is not None and size > high:
        yield f"Value at '{path}' failed to satisfy constraint: Member must have value or length at most {high}"


def _fits(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:  # Java's classes that Python has not
        return True
