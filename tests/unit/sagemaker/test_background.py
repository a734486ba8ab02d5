"""A page never waits for AWS, and says how old what it shows is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.adapters.sagemaker import background
from backend.adapters.sagemaker.background import Answer, Answers, WatchedTraining
from backend.domain.jobs import JobStatus
from backend.errors import NotFoundError, PlatformError, ThrottledError
from tests.contract.training_platforms import wait_until
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.faults import THROTTLED
from tests.fakes.aws.zygote import Zygote
from tests.unit.sagemaker.launched import ended, platform, request


class Source:
    """Somebody slow or broken to ask."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, _: str = "") -> int:
        self.asked += 1
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return self.asked


def soon(so: Callable[[], bool]) -> None:
    wait_until(so, 5)


def test_a_known_answer_is_given_at_once_while_the_next_one_is_looked_up() -> None:
    source = Source()
    answer = Answer(source, lambda _: 0.0)
    assert answer.get() == 1
    source.gate.clear()
    begun = time.monotonic()
    assert [answer.get() for _ in range(100)] == [1] * 100
    assert time.monotonic() - begun < 1
    source.gate.set()
    soon(lambda: answer.get() > 1)


def test_many_who_ask_at_once_cost_one_look() -> None:
    source = Source()
    answer = Answer(source, lambda _: 60.0)
    askers = [threading.Thread(target=answer.get) for _ in range(20)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert source.asked == 1


def test_the_first_question_waits_a_little_and_then_says_that_it_is_being_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "PATIENCE", 0.1)
    source = Source()
    source.gate.clear()
    answer = Answer(source, lambda _: 60.0)
    with pytest.raises(PlatformError, match="has not answered yet"):
        answer.get()
    source.gate.set()
    soon(lambda: answer.as_of is not None)
    assert answer.get() == 1


def test_while_aws_throttles_the_answer_stays_and_tells_why_it_is_old() -> None:
    source = Source()
    answers = Answers(source, lambda _: 0.0)
    assert answers.get("jobs") == 1
    fresh = answers.of("jobs")
    assert fresh.as_of is not None and not fresh.is_stale
    source.error = ThrottledError("AWS asks to be asked less often: could not list training jobs.")
    soon(lambda: answers.get("jobs") > 0 and answers.of("jobs").is_stale)
    assert answers.get("jobs") >= 1
    assert "less often" in answers.of("jobs").trouble
    asked = source.asked
    for _ in range(20):
        answers.get("jobs")
    assert source.asked == asked  # it is left alone for a while


def test_what_was_deleted_is_not_shown_from_memory_and_a_defect_is_told() -> None:
    source = Source()
    answers = Answers(source, lambda _: 0.0)
    assert answers.get("job") == 1
    source.error = NotFoundError("No job 'x'.")

    def gone() -> bool:
        try:
            answers.get("job")
        except NotFoundError:
            return True
        return False

    soon(gone)
    source.error = ZeroDivisionError("by us")
    with pytest.raises(PlatformError, match="ZeroDivisionError: by us"):
        answers.get("another")


def test_the_dashboards_platform_keeps_its_list_through_an_outage(
    aws: FakeAws, launchers: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LIST_SECONDS", "JOB_SECONDS"):
        monkeypatch.setattr(background, name, 0.05)
    monkeypatch.setattr(background, "PATIENCE", 20)
    jobs = platform(aws, tmp_path, launchers)
    watched = WatchedTraining(jobs)
    watched.submit(request("first"))
    assert [job.name for job in watched.list_jobs()] == ["first"]
    ended(jobs, "first")
    wait_until(lambda: watched.describe("first").status is JobStatus.COMPLETED)
    wait_until(lambda: watched.list_jobs()[0].status is JobStatus.COMPLETED)
    wait_until(lambda: "hello from first" in watched.read_log("first").text)
    assert [point.seq for point in watched.metric_points("first", after=1)] == [2, 3]
    assert not watched.freshness().is_stale
    aws.faults.plan("*", THROTTLED, times=-1)
    wait_until(lambda: watched.list_jobs() is not None and watched.freshness().is_stale, 20)
    begun = time.monotonic()
    assert [job.name for job in watched.list_jobs()] == ["first"]
    assert watched.describe("first").metrics["test_accuracy"] == 0.95
    assert "hello from first" in watched.read_log("first").text
    assert time.monotonic() - begun < 5
    assert "less often" in watched.freshness().trouble


def test_what_is_shown_is_old_once_questions_fail_and_none_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_line", background._Line())
    source, other = Source(), Source()
    failing, well = Answer(source, lambda _: 0.0), Answer(other, lambda _: 0.0)
    assert well.get() == 1
    source.error = ThrottledError("AWS asks to be asked less often.")
    with pytest.raises(ThrottledError):
        failing.get()
    assert not background.heard().is_stale  # another question was answered just now
    monkeypatch.setattr(background, "STALE_SECONDS", 0.0)
    assert background.heard().trouble == "AWS asks to be asked less often."
    assert background.heard().as_of is not None
    well.get()
    soon(lambda: not background.heard().trouble)


def test_ended_jobs_are_looked_at_seldom() -> None:
    pause = background._pause
    assert pause(SimpleNamespace(status=JobStatus.COMPLETED)) > 60 > pause(SimpleNamespace(status=JobStatus.PENDING))  # type: ignore[arg-type]
