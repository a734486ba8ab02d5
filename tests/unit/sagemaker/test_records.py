"""Who gets a name and a key, and who may launch: agreed in S3."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from backend.adapters.sagemaker.job_records import JobRecords, Launch, training_base
from backend.adapters.sagemaker.job_requests import Site
from backend.adapters.sagemaker.objects import Bucket
from backend.domain.jobs import JobKind
from backend.errors import InvalidInputError
from tests.fakes.aws.account import FakeAws
from tests.unit.sagemaker.launched import request


def launch(name: str, key: str) -> Launch:
    of = request(name, key=key)
    return Launch(
        kind=JobKind.TRAINING,
        request=of,
        created_at=datetime.now(UTC),
        base=training_base(of),
        site=json.loads(json.dumps(asdict(Site()))),  # as JSON gives it back: lists, no tuples
    )


def records(aws: FakeAws) -> JobRecords:
    return JobRecords(Bucket(aws.connect()))


def test_a_key_has_one_job_whatever_name_it_comes_with(aws: FakeAws) -> None:
    first = records(aws).claim(launch("first", "click"))
    assert records(aws).claim(launch("second", "click")) == first
    assert records(aws).find("second") is None


def test_a_name_has_one_owner(aws: FakeAws) -> None:
    mine = records(aws).claim(launch("first", "click"))
    with pytest.raises(InvalidInputError, match="'first' is taken"):
        records(aws).claim(launch("first", "another"))
    assert records(aws).find("first") == mine


def test_one_of_many_launchers_may_launch(aws: FakeAws) -> None:
    may: list[bool] = []
    racers = [threading.Thread(target=lambda: may.append(records(aws).claim_attempt("first"))) for _ in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(may) == [False] * 5 + [True]
    assert not records(aws).claim_attempt("first")


def test_an_attempt_that_died_may_be_repeated_by_one(aws: FakeAws) -> None:
    Bucket(aws.connect()).put("attempts/first/1.json", {"at": "2026-01-01T00:00:00+00:00"})
    assert [records(aws).claim_attempt("first") for _ in range(3)] == [True, False, False]
