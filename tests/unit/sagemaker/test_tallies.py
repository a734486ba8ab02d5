"""Counting answers in the bucket: written in the background, again after trouble, at the end, and not for ever."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.tallies import S3Tallies
from backend.domain.prediction_mix import tallied
from backend.domain.serving import Stage
from backend.domain.traffic import Span
from tests.contract.training_platforms import wait_until
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.faults import AwsFault

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STAGE = Stage.STAGING
SEVEN = tallied([[0.0] * 7 + [1.0, 0.0, 0.0]], version=1, at=NOON)


def objects(aws: FakeAws) -> list[str]:
    return list(Bucket(aws.connect()).keys("tallies/"))


def wait(event: threading.Event, seconds: float = 10) -> None:
    event.wait(seconds)


def test_adding_asks_nobody_and_what_was_added_is_one_object_an_hour(aws: FakeAws) -> None:
    may_write = threading.Event()
    tallies = S3Tallies(Bucket(aws.connect()), clock=lambda: NOON, pause=lambda _: wait(may_write))
    for _ in range(50):
        tallies.add(STAGE, SEVEN)
    assert objects(aws) == []
    may_write.set()
    wait_until(lambda: len(objects(aws)) == 1)
    (key,) = objects(aws)
    assert key.startswith("tallies/staging/2026-11-23/12-")
    (found,) = S3Tallies(Bucket(aws.connect()), clock=lambda: NOON).read(STAGE, Span.HOUR)
    assert found.n == 50


def test_what_could_not_be_written_is_written_later(aws: FakeAws) -> None:
    tallies = S3Tallies(Bucket(aws.connect()), clock=lambda: NOON, flush_s=0.01)
    aws.faults.plan("s3:PUT", AwsFault(code="AccessDenied", message="Access Denied", status=403), times=-1)
    tallies.add(STAGE, SEVEN)
    tallies.flush()
    assert objects(aws) == []
    aws.faults.clear()
    wait_until(lambda: len(objects(aws)) == 1, 20)


def test_a_command_that_ends_writes_what_it_counted(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    at_exit: list[object] = []
    monkeypatch.setattr("backend.adapters.sagemaker.tallies.atexit.register", at_exit.append)
    tallies = S3Tallies(Bucket(aws.connect()), clock=lambda: NOON, pause=lambda _: wait(threading.Event(), 30))
    tallies.add(STAGE, SEVEN)
    (end,) = at_exit
    end()  # type: ignore[operator]
    assert len(objects(aws)) == 1


def test_objects_of_more_than_a_week_ago_are_deleted_by_who_counts(aws: FakeAws) -> None:
    bucket = Bucket(aws.connect())
    for days in (30, 9, 8, 6):
        then = NOON - timedelta(days=days)
        past = S3Tallies(bucket, clock=lambda then=then: then, flush_s=60)  # type: ignore[misc]
        past.add(STAGE, tallied([[1.0, *[0.0] * 9]], version=1, at=then))
        past.flush()
    now = S3Tallies(bucket, clock=lambda: NOON, flush_s=60)
    now.add(STAGE, SEVEN)
    now.flush()
    assert [key.split("/")[2] for key in objects(aws)] == ["2026-11-17", "2026-11-23"]
