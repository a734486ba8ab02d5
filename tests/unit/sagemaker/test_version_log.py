"""What is kept of versions and of drawings on S3: in order, apart, and agreed upon by who comes in the same moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.example_sets import S3ExampleSets
from backend.adapters.sagemaker.version_log import VersionLog
from backend.domain.example_sets import ExampleSet
from backend.errors import InvalidInputError
from backend.services.labelled_drawings import LabelledDrawings, pack
from tests.unit.services.test_launching import example

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
FIRST, SECOND = pack([example(10, 1)]), pack([example(20, 2)])


@dataclass(frozen=True, kw_only=True)
class Said:
    word: str


class Bucket:
    """The part of `objects.Bucket` that is asked here, in memory."""

    def __init__(self) -> None:
        self.documents: dict[str, Mapping[str, Any]] = {}
        self.listed: list[str] = []

    def create(self, key: str, document: Mapping[str, Any]) -> str:
        if key in self.documents:
            raise LostRaceError(f"'{key}' is there.")
        self.documents[key] = document
        return "etag"

    def keys(self, prefix: str) -> Iterator[str]:
        self.listed.append(prefix)
        return iter(sorted(key for key in self.documents if key.startswith(prefix)))

    def find(self, key: str) -> Mapping[str, Any] | None:
        return self.documents.get(key)

    def uri(self, key: str) -> str:
        return f"s3://bucket/{key}"


@pytest.fixture
def bucket() -> Any:
    return Bucket()


def words(records: Sequence[Said]) -> list[str]:
    return [record.word for record in records]


class TestVersionLog:
    def test_each_version_has_its_own_in_the_order_of_time(self, bucket: Any) -> None:
        log = VersionLog(bucket, "registry/said", Said)
        for microseconds, word in ((2_000, "third"), (1, "second"), (0, "first")):
            log.add(2, Said(word=word), at=NOON + timedelta(microseconds=microseconds))
        log.add(20, Said(word="another's"), at=NOON)
        assert words(log.all(2)) == ["first", "second", "third"]
        assert {version: said.word for version, said in log.latest().items()} == {2: "third", 20: "another's"}

    def test_one_version_is_looked_for_where_it_is_and_nowhere_else(self, bucket: Any) -> None:
        log = VersionLog(bucket, "registry/said", Said)
        log.add(1, Said(word="one"), at=NOON)
        log.add(12, Said(word="twelve"), at=NOON)
        bucket.listed.clear()
        assert {version: said.word for version, said in log.latest(1).items()} == {1: "one"}
        assert words(log.all(1)) == ["one"]
        assert set(bucket.listed) == {"registry/said/000001/"}

    def test_two_in_the_same_microsecond_are_both_kept(self, bucket: Any) -> None:
        log = VersionLog(bucket, "registry/said", Said)
        for word in ("one", "other"):
            log.add(1, Said(word=word), at=NOON)
        assert sorted(words(log.all(1))) == ["one", "other"]

    def test_what_ends_otherwise_is_no_news_and_stays_readable(self, bucket: Any) -> None:
        log = VersionLog(bucket, "registry/said", Said)
        log.add(1, Said(word="decided"), at=NOON)
        log.add(1, Said(word="remark"), at=NOON + timedelta(seconds=1), ending="-comment.json")
        assert log.latest(but="-comment.json")[1].word == "decided"
        assert log.latest()[1].word == "remark"
        assert words(log.all(1)) == ["decided", "remark"]


class TestExampleSets:
    @staticmethod
    def of(name: str, drawings: LabelledDrawings, by: str = "ada") -> ExampleSet:
        return ExampleSet(name=name, sha256=drawings.sha256, n=drawings.count, at=NOON, by=by, comment="")

    @pytest.fixture
    def late(self, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> S3ExampleSets:
        """Two of them write in the same moment: this one has looked before the other wrote."""
        sets = S3ExampleSets(bucket)
        monkeypatch.setattr(sets, "list_sets", list)
        return sets

    def test_two_who_keep_the_same_in_one_moment_have_one_set(self, bucket: Any, late: S3ExampleSets) -> None:
        first = S3ExampleSets(bucket).keep(self.of("mine", FIRST), FIRST.content)
        assert late.keep(self.of("mine", FIRST, by="grace"), FIRST.content) == first
        assert S3ExampleSets(bucket).list_sets() == [first]

    def test_a_name_that_others_took_in_that_moment_is_refused(self, bucket: Any, late: S3ExampleSets) -> None:
        S3ExampleSets(bucket).keep(self.of("mine", FIRST), FIRST.content)
        with pytest.raises(InvalidInputError, match="The name 'mine' is taken"):
            late.keep(self.of("mine", SECOND), SECOND.content)
        assert S3ExampleSets(bucket).content(FIRST.sha256) == FIRST.content
