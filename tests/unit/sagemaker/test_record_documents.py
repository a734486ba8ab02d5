from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum

import pytest

from backend.adapters.sagemaker.records import digest_of, from_document, to_document
from backend.errors import StoreError


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Inner:
    name: str
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    at: datetime
    colour: Colour
    inner: Inner | None
    many: tuple[Inner, ...] = ()
    matrix: tuple[tuple[int, ...], ...] = ()
    content: bytes = b""
    took: timedelta | None = None
    seen: str | float | None = None
    extra: dict[str, float] = field(default_factory=dict)


RECORD = Outer(
    at=datetime(2026, 1, 2, tzinfo=UTC),
    colour=Colour.RED,
    inner=Inner(name="ü", share=0.25),
    many=(Inner(name="a"), Inner(name="b")),
    matrix=((1, 2), (3, 4)),
    content=bytes(range(256)),
    took=timedelta(seconds=1.5),
    seen=0.5,
    extra={"x": 1.0},
)


@pytest.mark.parametrize(
    "record", [RECORD, replace(RECORD, inner=None, took=None, seen="text"), replace(RECORD, seen=None)]
)
def test_a_record_is_read_as_it_was_written(record: Outer) -> None:
    assert from_document(Outer, to_document(record), where="x") == record


def test_documents_of_other_ages_are_read() -> None:
    document = to_document(RECORD)
    del document["many"]
    document["inner"]["later"] = 1
    assert from_document(Outer, {**document, "newer": True}, where="x") == replace(RECORD, many=())


@pytest.mark.parametrize(
    "wrong", [{"colour": "blue"}, {"at": "yesterday"}, {"inner": {}}, {"content": "*"}, {"at": None}]
)
def test_what_is_no_such_record_says_where_it_is(wrong: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="'s3://b/k' is not a Outer"):
        from_document(Outer, {**to_document(RECORD), **wrong}, where="s3://b/k")


def test_a_digest_is_of_the_content_not_of_the_order() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 1, "b": 3})
