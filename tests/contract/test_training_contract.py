"""What every training platform keeps; `backend.ports.training` in executable form."""

from __future__ import annotations

import itertools
import tarfile
import time
from dataclasses import replace
from typing import ClassVar

import pytest

from backend.adapters.local.packing import sha256_of
from backend.domain.capabilities import Feature
from backend.domain.jobs import Compute, JobStatus, TrainingRequest
from backend.errors import InvalidInputError, NotFoundError, RefusedError, WrongStateError
from tests.contract.training_platforms import Bench, bench, ended, pytest_generate_tests, running, wait_until
from tests.fakes import trainer

pytestmark = pytest.mark.processes

__all__ = ["bench", "pytest_generate_tests"]


class TestSubmitting:
    def test_returns_at_once_and_the_job_completes(self, bench: Bench) -> None:
        begun = time.monotonic()
        job = bench.platform.submit(bench.request("first"))
        assert time.monotonic() - begun < 2
        assert job.name == "first"
        assert not job.status.is_terminal
        assert ended(bench.platform, "first").status is JobStatus.COMPLETED

    def test_the_same_key_again_returns_the_first_job(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", key="click"))
        again = bench.platform.submit(bench.request("second", key="click"))
        assert again.name == "first"
        assert [job.name for job in bench.platform.list_jobs()] == ["first"]
        ended(bench.platform, "first")
        assert bench.platform.submit(bench.request("third", key="click")).name == "first"

    @pytest.mark.parametrize("behaviour", [trainer.FINISHES, trainer.HANGS])
    def test_a_taken_name_is_refused(self, bench: Bench, behaviour: int) -> None:
        bench.platform.submit(bench.request("first", behaviour))
        if behaviour == trainer.FINISHES:
            ended(bench.platform, "first")
        with pytest.raises(InvalidInputError, match="'first' is taken"):
            bench.platform.submit(bench.request("first", key="another"))

    def test_says_who_asked_for_what(self, bench: Bench) -> None:
        request = bench.request("first")
        bench.platform.submit(request)
        assert bench.platform.describe("first").request == request


class TestReading:
    def test_an_empty_platform_lists_nothing(self, bench: Bench) -> None:
        assert list(bench.platform.list_jobs()) == []

    def test_an_unknown_job_is_not_found(self, bench: Bench) -> None:
        for read in (
            bench.platform.describe,
            bench.platform.read_log,
            bench.platform.metric_points,
            bench.platform.stop,
        ):
            with pytest.raises(NotFoundError, match="nobody"):
                read("nobody")

    def test_lists_newest_first(self, bench: Bench) -> None:
        for name in ("one", "two", "three"):
            bench.platform.submit(bench.request(name))
        assert [job.name for job in bench.platform.list_jobs()] == ["three", "two", "one"]

    def test_a_completed_job_tells_everything(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first"))
        job = ended(bench.platform, "first")
        assert job.progress == 1.0
        assert job.metrics["test_accuracy"] == 0.95
        assert job.metrics["val_accuracy"] == pytest.approx(0.93)
        assert job.notices == ("a stand-in trainer",)
        assert job.started_at and job.ended_at and job.created_at <= job.started_at <= job.ended_at
        assert job.failure_reason == ""

    def test_metric_points_are_in_order_and_can_be_continued(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first"))
        ended(bench.platform, "first")
        points = bench.platform.metric_points("first")
        assert [point.seq for point in points] == [0, 1, 2, 3]
        assert [point.values.get("epoch") for point in points] == [1, 2, 3, None]
        assert bench.platform.metric_points("first", after=2) == points[3:]
        assert list(bench.platform.metric_points("first", after=3)) == []

    def test_the_log_can_be_read_in_pieces(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first"))
        ended(bench.platform, "first")
        whole = bench.platform.read_log("first")
        assert "hello from first\n" in whole.text
        assert whole.next_offset == whole.size
        text, offset = "", 0
        while (chunk := bench.platform.read_log("first", offset, limit=64)).text:
            text, offset = text + chunk.text, chunk.next_offset
        assert text == whole.text
        assert bench.platform.read_log("first", -20).text == whole.text[-20:]
        assert bench.platform.read_log("first", whole.size).text == ""


class TestArchives:
    def test_the_digest_is_the_archives(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first"))
        job = ended(bench.platform, "first")
        archive = bench.platform.fetch_archive(job)
        assert sha256_of(archive) == job.sha256
        with tarfile.open(archive) as tar:
            files = [member.name for member in tar.getmembers() if member.isfile()]
        assert files == ["mnist/1/model.onnx", "mnist/config.pbtxt"]
        with tarfile.open(bench.platform.fetch_output(job)) as tar:
            assert tar.getnames() == ["evaluation.json"]

    def test_the_same_model_gives_the_same_digest(self, bench: Bench) -> None:
        for name in ("first", "second"):
            bench.platform.submit(bench.request(name))
        assert ended(bench.platform, "first").sha256 == ended(bench.platform, "second").sha256

    def test_an_unfinished_job_has_none(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", trainer.HANGS))
        with pytest.raises(WrongStateError, match="first"):
            bench.platform.fetch_archive(bench.platform.describe("first"))


class TestFailing:
    def test_the_trainers_own_reason_is_the_failure_reason(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", trainer.FAILS))
        job = ended(bench.platform, "first")
        assert job.status is JobStatus.FAILED
        assert job.failure_reason == "The loss became NaN in epoch 2."

    def test_a_crash_is_told_with_exit_code_and_last_words(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", trainer.CRASHES))
        job = ended(bench.platform, "first")
        assert job.status is JobStatus.FAILED
        assert "exit code 1" in job.failure_reason
        assert "Segmentation of the imagination" in job.failure_reason

    @pytest.mark.danger_of("local", "sagemaker")
    def test_a_job_whose_processes_died_is_failed_within_five_seconds(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", trainer.HANGS))
        running(bench.platform, "first")
        bench.kill("first")
        job = ended(bench.platform, "first", seconds=5)
        assert job.status is JobStatus.FAILED
        assert "died" in job.failure_reason
        assert job.ended_at is not None


class TestStopping:
    def test_a_running_job_is_stopped(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", trainer.HANGS))
        running(bench.platform, "first")
        assert bench.platform.stop("first").status is JobStatus.STOPPING
        job = ended(bench.platform, "first")
        assert job.status is JobStatus.STOPPED
        assert job.failure_reason == ""

    def test_a_waiting_job_never_begins(self, bench: Bench) -> None:
        bench.hold_back()
        bench.platform.submit(bench.request("second"))
        bench.platform.stop("second")
        job = ended(bench.platform, "second")
        assert (job.status, job.started_at) == (JobStatus.STOPPED, None)

    def test_stopping_twice_is_stopping_once(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", trainer.HANGS))
        running(bench.platform, "first")
        bench.platform.stop("first")
        bench.platform.stop("first")
        assert ended(bench.platform, "first").status is JobStatus.STOPPED

    def test_a_finished_job_cannot_be_stopped(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first"))
        ended(bench.platform, "first")
        with pytest.raises(WrongStateError, match="'first' cannot be stopped: it is Completed"):
            bench.platform.stop("first")


class TestResuming:
    def resumed(self, bench: Bench, name: str, behaviour: int = trainer.HANGS) -> TrainingRequest:
        return replace(bench.request(f"{name}-r2", behaviour), resumed_from=name)

    @pytest.mark.danger_of("local", "sagemaker")
    def test_a_killed_job_goes_on_from_its_checkpoint(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", trainer.HANGS))
        wait_until(lambda: "[checkpoint]" in bench.platform.read_log("first").text)
        bench.kill("first")
        ended(bench.platform, "first")
        bench.platform.submit(self.resumed(bench, "first", trainer.FINISHES))
        job = ended(bench.platform, "first-r2")
        assert (job.status, job.request.resumed_from) == (JobStatus.COMPLETED, "first")
        assert "going on from epoch 3 of first" in job.notices
        assert bench.platform.describe("first").status is JobStatus.FAILED

    def test_a_job_without_a_checkpoint_begins_anew_and_says_so(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", trainer.FAILS))
        ended(bench.platform, "first")
        bench.platform.submit(self.resumed(bench, "first", trainer.FINISHES))
        job = ended(bench.platform, "first-r2")
        assert job.status is JobStatus.COMPLETED
        assert job.notices[0] == "Job first left no checkpoint: begun anew."

    def test_what_runs_or_completed_or_never_was_is_not_resumed(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("done"))
        ended(bench.platform, "done")
        bench.platform.submit(bench.request("runs", trainer.HANGS))
        for name, error in (("done", WrongStateError), ("runs", WrongStateError), ("nobody", NotFoundError)):
            with pytest.raises(error, match=name):
                bench.platform.submit(self.resumed(bench, name))
        assert [job.name for job in bench.platform.list_jobs()] == ["runs", "done"]


class TestInputChannels:
    FILES: ClassVar = {"drawings": {"labels.txt": b"seven", "pixels.txt": b"bright"}}
    SEEN = "SM_CHANNEL_DRAWINGS has labels.txt: seven\nSM_CHANNEL_DRAWINGS has pixels.txt: bright\n"

    def test_the_trainer_finds_every_file_of_a_channel(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first"), self.FILES)
        bench.platform.submit(bench.request("second"))
        for name in ("first", "second"):
            assert ended(bench.platform, name).status is JobStatus.COMPLETED
        assert self.SEEN in bench.platform.read_log("first").text
        assert "SM_CHANNEL_DRAWINGS" not in bench.platform.read_log("second").text

    def test_repeating_a_submission_does_not_change_what_the_job_was_given(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("waits", trainer.HANGS))
        running(bench.platform, "waits")
        bench.platform.submit(bench.request("first"), self.FILES)
        bench.platform.submit(bench.request("first"), {"drawings": {"labels.txt": b"nine"}})
        bench.platform.stop("waits")
        ended(bench.platform, "first")
        assert self.SEEN in bench.platform.read_log("first").text

    def test_a_resumed_job_and_a_trial_read_the_files_of_the_one_they_come_from(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", trainer.FAILS), self.FILES)
        ended(bench.platform, "first")
        bench.platform.submit(replace(bench.request("again"), resumed_from="first"))
        bench.platform.submit(replace(bench.request("trial"), tuning_job="first"))
        for name in ("again", "trial"):
            assert ended(bench.platform, name).status is JobStatus.COMPLETED
            assert self.SEEN in bench.platform.read_log(name).text


@pytest.mark.feature(Feature.QUEUE)
class TestQueueing:
    def test_jobs_run_one_after_the_other_in_launch_order(self, bench: Bench) -> None:
        for name in ("one", "two", "three"):
            bench.platform.submit(bench.request(name))
        jobs = [ended(bench.platform, name) for name in ("one", "two", "three")]
        for earlier, later in itertools.pairwise(jobs):
            assert earlier.ended_at and later.started_at and earlier.ended_at <= later.started_at

    def test_a_dead_job_gives_its_slot_back(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", trainer.HANGS))
        bench.platform.submit(bench.request("second"))
        running(bench.platform, "first")
        assert bench.platform.describe("second").status is JobStatus.PENDING
        bench.kill("first")
        assert ended(bench.platform, "second").status is JobStatus.COMPLETED


class TestWhatIsLacking:
    def test_each_lack_has_a_reason(self, bench: Bench) -> None:
        for feature, reason in bench.platform.unsupported.items():
            assert isinstance(feature, Feature)
            assert reason.endswith(".")

    @pytest.mark.feature(Feature.COMPUTE)
    def test_the_job_says_what_it_ran_on(self, bench: Bench) -> None:
        compute = Compute(instance_type="ml.c5.2xlarge", spot=True, max_minutes=30, max_wait_minutes=60)
        bench.platform.submit(replace(bench.request("first"), compute=compute))
        job = ended(bench.platform, "first")
        assert job.request.compute == compute
        assert job.billing is not None
        assert (job.billing.instance_type, job.billing.spot) == ("ml.c5.2xlarge", True)
        assert job.billing.saved is not None and 0 <= job.billing.saved <= 1

    def test_what_a_launch_costs_is_told_beforehand_and_nothing_forbids_what_is_asked_for(self, bench: Bench) -> None:
        outlook = bench.platform.outlook(Compute())
        assert outlook.shortage == ""
        if Feature.COMPUTE in bench.platform.unsupported:
            assert outlook.hourly_price == 0
        else:
            assert outlook.hourly_price is None or outlook.hourly_price > 0

    def test_who_has_nothing_to_choose_refuses_a_choice_with_the_reason(self, bench: Bench) -> None:
        if Feature.COMPUTE in bench.platform.unsupported:
            with pytest.raises(RefusedError, match="cannot choose instances") as refused:
                bench.platform.submit(replace(bench.request("first"), compute=Compute(spot=True)))
            assert refused.value.hint == bench.platform.unsupported[Feature.COMPUTE]


def test_progress_is_seen_while_the_job_runs(bench: Bench) -> None:
    bench.platform.submit(bench.request("first", trainer.HANGS))
    wait_until(lambda: bench.platform.describe("first").progress == 1.0)
    assert bench.platform.describe("first").status is JobStatus.IN_PROGRESS
    # A platform may tell the state of a job and its numbers by different ways, either of them first.
    wait_until(lambda: len(bench.platform.metric_points("first")) == 3)
