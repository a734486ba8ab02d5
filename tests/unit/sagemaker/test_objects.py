from __future__ import annotations

import threading

import pytest
from moto.s3.models import s3_backends

from backend.adapters.sagemaker.errors import LostRaceError
from backend.adapters.sagemaker.objects import Bucket
from backend.errors import AccessError, NotFoundError, ThrottledError
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.faults import EXPIRED, AwsFault


def test_one_of_many_writers_creates_a_document(aws: FakeAws) -> None:
    outcomes: list[str] = []

    def write(number: int) -> None:
        try:
            Bucket(aws.connect()).create("lock.json", {"by": number})
            outcomes.append("wrote")
        except LostRaceError:
            outcomes.append("lost")

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(outcomes) == ["lost"] * 5 + ["wrote"]


def test_a_document_is_replaced_only_over_what_was_read(aws: FakeAws) -> None:
    bucket = Bucket(aws.connect())
    etag = bucket.create("one.json", {"n": 1})
    bucket.replace("one.json", {"n": 2}, etag=etag)
    with pytest.raises(LostRaceError):
        bucket.replace("one.json", {"n": 3}, etag=etag)
    assert bucket.read("one.json") == {"n": 2}


def test_what_is_not_there_is_none_or_not_found_and_no_other_failure_is(aws: FakeAws) -> None:
    bucket = Bucket(aws.connect())
    assert bucket.find("nothing.json") is None
    assert not bucket.exists(bucket.uri("nothing.json"))
    with pytest.raises(NotFoundError, match=r"digits/nothing\.json"):
        bucket.read("nothing.json")
    aws.faults.plan("s3:GET", EXPIRED, times=-1)
    aws.faults.plan("s3:HEAD", AwsFault(code="403", message="Forbidden", status=403), times=-1)
    for look in (lambda: bucket.find("nothing.json"), lambda: bucket.exists(bucket.uri("nothing.json"))):
        with pytest.raises(AccessError):
            look()


def test_every_key_is_listed_however_many(aws: FakeAws) -> None:
    account = s3_backends["123456789012"]["aws"]  # a thousand requests would take a while
    for number in range(1005):
        account.put_object("digits-test", f"digits/many/{number:04d}", b"")
    assert len(list(Bucket(aws.connect()).keys("many/"))) == 1005


def test_throttling_is_outlasted_and_told_when_it_does_not_end(aws: FakeAws) -> None:
    bucket = Bucket(aws.connect())
    aws.faults.throttle_first_attempts()
    bucket.put("one.json", {"n": 1})
    assert bucket.read("one.json") == {"n": 1}
    aws.faults.clear()
    aws.faults.plan("s3:GET", AwsFault(code="SlowDown", message="Slow down", status=503), times=-1)
    with pytest.raises(ThrottledError):
        bucket.read("one.json")
