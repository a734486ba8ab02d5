"""What every tuning platform keeps; `backend.ports.tuning` in executable form."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from backend.domain.capabilities import Feature
from backend.domain.jobs import JobStatus
from backend.domain.tuning import Direction, StopMode, Strategy, TuningJob
from backend.errors import InvalidInputError, NotFoundError, RefusedError, WrongStateError
from tests.contract.training_platforms import wait_until
from tests.contract.tuning_platforms import SLOTS, Bench, bench, ended, pytest_generate_tests, seen
from tests.fakes import trainer

__all__ = ["bench", "pytest_generate_tests"]

pytestmark = pytest.mark.processes

GRID = ("lr=0.0012,0.012", "batch_size=128,256")


def tried(job: TuningJob) -> list[dict[str, object]]:
    return [dict(trial.hyperparameters) for trial in job.trials]


class TestSearching:
    def test_returns_at_once_and_every_trial_is_a_training_job(self, bench: Bench) -> None:
        begun = time.monotonic()
        job = bench.platform.submit(bench.request("search", max_jobs=3))
        assert time.monotonic() - begun < 2
        assert not job.status.is_terminal
        job = ended(bench, "search")
        assert (job.status, job.progress, job.failure_reason) == (JobStatus.COMPLETED, 1.0, "")
        assert [trial.number for trial in job.trials] == [1, 2, 3]
        for trial in job.trials:
            trained = bench.training.describe(trial.job)
            assert trained.request.tuning_job == "search"
            assert trained.request.hyperparameters["lr"] == trial.hyperparameters["lr"]
            assert trained.metrics["val_accuracy"] == trial.value
            assert (trial.status, trial.epochs, trial.planned_epochs) == (JobStatus.COMPLETED, 3, 3)

    def test_a_grid_tries_every_combination_once(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", space=GRID, strategy=Strategy.GRID, max_jobs=10))
        job = ended(bench, "search")
        assert job.status is JobStatus.COMPLETED
        assert tried(job) == [{"lr": lr, "batch_size": size} for lr in (0.0012, 0.012) for size in (128, 256)]
        assert any("All 4 combinations were tried" in notice for notice in job.notices)
        assert job.best_trial is not None
        assert job.best_trial.hyperparameters == {"lr": 0.012, "batch_size": 128}  # of equals the first

    @pytest.mark.feature(Feature.DISTINCT_TRIALS)
    @pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.BAYESIAN])
    def test_among_few_combinations_none_is_tried_twice(self, bench: Bench, strategy: Strategy) -> None:
        bench.platform.submit(bench.request("search", space=GRID, strategy=strategy, max_jobs=9))
        job = ended(bench, "search")
        assert len(job.trials) == 4
        assert len({tuple(trial.hyperparameters.values()) for trial in job.trials}) == 4

    def test_the_same_seed_asks_for_the_same_values(self, bench: Bench) -> None:
        for name, seed in (("one", 7), ("same", 7), ("other", 8)):
            bench.platform.submit(bench.request(name, strategy=Strategy.RANDOM, max_jobs=2, max_parallel=1, seed=seed))
        one, same, other = (tried(ended(bench, name)) for name in ("one", "same", "other"))
        assert one == same != other

    def test_ranges_are_kept_and_whole_numbers_stay_whole(self, bench: Bench) -> None:
        space = ("lr=log(1e-3,1e-2)", "dropout=range(0.1,0.2)", "batch_size=range(64,66)")
        bench.platform.submit(bench.request("search", space=space, strategy=Strategy.RANDOM, max_jobs=4))
        for values in tried(ended(bench, "search")):
            assert 1e-3 <= float(str(values["lr"])) <= 1e-2
            assert 0.1 <= float(str(values["dropout"])) <= 0.2
            assert values["batch_size"] in (64, 65, 66)

    def test_the_best_follows_the_direction(self, bench: Bench) -> None:
        for name, direction in (("up", Direction.MAXIMIZE), ("down", Direction.MINIMIZE)):
            bench.platform.submit(
                bench.request(name, space=GRID, strategy=Strategy.GRID, max_jobs=4, direction=direction)
            )
        up, down = (ended(bench, name).best_trial for name in ("up", "down"))
        assert up is not None and down is not None
        assert (up.hyperparameters["lr"], down.hyperparameters["lr"]) == (0.012, 0.0012)

    def test_every_trial_gets_the_files_of_the_channels(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", max_jobs=2), {"hard_examples": {"digits.npz": b"pixels"}})
        for trial in ended(bench, "search").trials:
            assert "SM_CHANNEL_HARD_EXAMPLES has digits.npz: pixels" in log(bench, trial.job)

    def test_no_more_trials_live_at_once_than_asked_for(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", trainer.HANGS, max_jobs=5, max_parallel=2))
        seen(bench, "search", lambda job: len(job.trials) == 2)
        time.sleep(1.5)
        assert len(bench.platform.describe("search").trials) == 2

    @pytest.mark.feature(Feature.QUEUE)
    def test_more_parallel_trials_than_slots_wait_and_the_job_says_so(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", max_jobs=4, max_parallel=4))
        job = ended(bench, "search")
        assert job.status is JobStatus.COMPLETED
        assert any(f"This machine runs {SLOTS} jobs at once" in notice for notice in job.notices)


class TestEarlyStopping:
    def test_a_trial_that_does_worse_is_ended_and_its_epochs_are_saved(self, bench: Bench) -> None:
        space = ("lr=0.012,0.011,0.013,0.0001",)
        request = bench.request("search", trainer.DAWDLES, space=space, strategy=Strategy.GRID, max_jobs=4)
        bench.platform.submit(replace(request, early_stopping=True, max_parallel=1))
        job = ended(bench, "search", seconds=60)
        assert job.status is JobStatus.COMPLETED
        assert [trial.stopped_early for trial in job.trials] == [False, False, False, True]
        bad = job.trials[3]
        assert (bad.status, bad.is_finished) == (JobStatus.STOPPED, True)
        assert job.epochs_saved == 3 - bad.epochs > 0
        assert job.best_trial is not None
        assert job.best_trial.hyperparameters["lr"] == 0.012

    def test_without_it_every_trial_goes_to_its_end(self, bench: Bench) -> None:
        space = ("lr=0.012,0.011,0.013,0.0001",)
        bench.platform.submit(
            bench.request("search", trainer.DAWDLES, space=space, strategy=Strategy.GRID, max_jobs=4, epochs=2)
        )
        job = ended(bench, "search", seconds=60)
        assert {trial.status for trial in job.trials} == {JobStatus.COMPLETED}
        assert job.epochs_saved == 0

    def test_hyperband_ends_most_trials_before_their_end(self, bench: Bench) -> None:
        request = bench.request("search", trainer.DAWDLES, strategy=Strategy.HYPERBAND, max_jobs=6, seed=1)
        bench.platform.submit(request)
        job = ended(bench, "search", seconds=60)
        assert job.status is JobStatus.COMPLETED
        assert any(trial.stopped_early for trial in job.trials)


class TestStopping:
    @pytest.mark.feature(Feature.FINISH_RUNNING_TRIALS)
    def test_after_the_running_trials_they_end_and_no_other_begins(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", trainer.DAWDLES, max_jobs=9))
        seen(bench, "search", lambda job: len(job.trials) == 2)
        assert bench.platform.stop("search", StopMode.AFTER_RUNNING).status is JobStatus.STOPPING
        job = ended(bench, "search")
        assert (job.status, job.failure_reason) == (JobStatus.STOPPED, "")
        assert len(job.trials) == 2
        assert {trial.status for trial in job.trials} == {JobStatus.COMPLETED}

    @pytest.mark.feature(Feature.FINISH_RUNNING_TRIALS)
    def test_now_ends_the_running_trials_too_also_as_an_afterthought(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", trainer.HANGS, max_jobs=9))
        seen(bench, "search", lambda job: len(job.trials) == 2)
        bench.platform.stop("search", StopMode.AFTER_RUNNING)
        bench.platform.stop("search", StopMode.NOW)
        bench.platform.stop("search", StopMode.AFTER_RUNNING)
        job = ended(bench, "search")
        assert job.status is JobStatus.STOPPED
        assert {trial.status for trial in job.trials} == {JobStatus.STOPPED}
        assert not any(trial.is_finished for trial in job.trials)

    def test_now_ends_the_running_trials_and_no_other_begins(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", trainer.HANGS, max_jobs=9))
        seen(bench, "search", lambda job: [trial.status for trial in job.trials] == [JobStatus.IN_PROGRESS] * 2)
        assert bench.platform.stop("search", StopMode.NOW).status is JobStatus.STOPPING
        bench.platform.stop("search", StopMode.NOW)
        job = ended(bench, "search")
        assert (job.status, job.stop_mode, len(job.trials)) == (JobStatus.STOPPED, StopMode.NOW, 2)
        assert {trial.status for trial in job.trials} == {JobStatus.STOPPED}
        assert not any(trial.is_finished for trial in job.trials)

    def test_who_cannot_wait_for_the_running_trials_says_why_and_stops_nothing(self, bench: Bench) -> None:
        if Feature.FINISH_RUNNING_TRIALS in bench.platform.unsupported:
            bench.platform.submit(bench.request("search", trainer.HANGS, max_jobs=9))
            seen(bench, "search", lambda job: len(job.trials) == 2)
            with pytest.raises(RefusedError) as refused:
                bench.platform.stop("search", StopMode.AFTER_RUNNING)
            assert refused.value.hint == bench.platform.unsupported[Feature.FINISH_RUNNING_TRIALS]
            assert bench.platform.describe("search").status is JobStatus.IN_PROGRESS

    def test_a_stopped_search_is_resumed_with_what_it_had_finished(self, bench: Bench) -> None:
        request = bench.request("search", trainer.DAWDLES, max_jobs=4, max_parallel=1, strategy=Strategy.RANDOM)
        bench.platform.submit(request)
        job = seen(bench, "search", lambda job: any(trial.status is JobStatus.COMPLETED for trial in job.trials))
        bench.platform.stop("search", StopMode.NOW)
        kept = [trial.job for trial in ended(bench, "search").trials if trial.is_finished]
        assert kept[0] == job.trials[0].job
        bench.platform.submit(replace(request, name="search-r2", key=f"{request.key}-again", resumed_from="search"))
        job = ended(bench, "search-r2", seconds=90)
        assert (job.status, len(job.trials)) == (JobStatus.COMPLETED, 4)
        assert [trial.job for trial in job.trials][: len(kept)] == kept
        assert f"{len(kept)} finished trials" in job.notices[0]

    def test_a_finished_job_cannot_be_stopped(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", max_jobs=1))
        ended(bench, "search")
        with pytest.raises(WrongStateError, match="'search' cannot be stopped: it is Completed"):
            bench.platform.stop("search", StopMode.NOW)


class TestFailing:
    @pytest.mark.feature(Feature.GIVE_UP_EARLY)
    def test_when_the_first_trials_all_fail_the_search_ends_with_their_reason(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", trainer.FAILS, max_jobs=20, max_parallel=1))
        job = ended(bench, "search")
        assert job.status is JobStatus.FAILED
        assert job.failure_reason.startswith("The first 3 trials failed.")
        assert "The loss became NaN in epoch 2." in job.failure_reason
        assert len(job.trials) == 3

    def test_when_all_trials_fail_the_search_has_failed_and_says_why(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", trainer.FAILS, max_jobs=3))
        job = ended(bench, "search")
        assert (job.status, job.best_trial) == (JobStatus.FAILED, None)
        assert "The loss became NaN in epoch 2." in job.failure_reason
        assert {trial.failure_reason for trial in job.trials} == {"The loss became NaN in epoch 2."}

    @pytest.mark.feature(Feature.RESUME_TRIALS)
    def test_after_a_crash_of_the_machine_finished_trials_are_kept_and_the_rest_is_run(self, bench: Bench) -> None:
        request = bench.request("search", trainer.DAWDLES, space=GRID, strategy=Strategy.GRID, max_jobs=4)
        bench.platform.submit(replace(request, max_parallel=1))
        seen(bench, "search", lambda job: len(job.trials) == 2 and job.trials[0].status is JobStatus.COMPLETED)
        wait_until(lambda: any("[checkpoint]" in log(bench, trial) for trial in jobs_of(bench)[1:]))
        bench.kill_all()
        dead = ended(bench, "search", seconds=5)
        assert dead.status is JobStatus.FAILED
        assert "died" in dead.failure_reason
        assert [trial.is_finished for trial in dead.trials] == [True, False]

        bench.platform.submit(replace(request, name="search-r2", key=f"{request.key}-again", resumed_from="search"))
        job = ended(bench, "search-r2", seconds=60)
        assert job.status is JobStatus.COMPLETED
        assert job.trials[0].job == dead.trials[0].job
        assert tried(job) == [{"lr": lr, "batch_size": size} for lr in (0.0012, 0.012) for size in (128, 256)]
        again = bench.training.describe(job.trials[1].job)
        assert again.request.resumed_from == dead.trials[1].job
        assert any("going on from" in notice for notice in again.notices)
        assert "1 finished trials are kept, 1 that were cut off run again" in job.notices[0]

    @pytest.mark.danger_of("local")
    def test_trials_that_a_dead_search_left_behind_are_stopped(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", trainer.HANGS, max_jobs=9))
        job = seen(bench, "search", lambda job: [t.status for t in job.trials] == [JobStatus.IN_PROGRESS] * 2)
        bench.kill("search")
        assert ended(bench, "search", seconds=5).status is JobStatus.FAILED
        for trial in job.trials:
            wait_until(lambda trial=trial: bench.training.describe(trial.job).status is JobStatus.STOPPED)  # type: ignore[misc]


class TestLearningFromAnother:
    def test_a_warm_start_learns_only_from_what_fits(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", max_jobs=4, strategy=Strategy.RANDOM))
        ended(bench, "first")
        bench.platform.submit(bench.request("second", max_jobs=2, warm_start_from="first"))
        bench.platform.submit(
            bench.request("third", max_jobs=2, warm_start_from="first", space=("dropout=range(0,0.5)",))
        )
        for name in ("second", "third"):
            job = ended(bench, name)
            assert (job.status, len(job.trials)) == (JobStatus.COMPLETED, 2)

    def test_importance_is_a_share_of_what_was_searched_and_needs_some_trials(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("few", max_jobs=2))
        ended(bench, "few")
        assert bench.platform.importance("few") == {}
        space = ("lr=0.0001,0.001,0.012", "batch_size=64,128,256")
        bench.platform.submit(bench.request("all", space=space, strategy=Strategy.GRID, max_jobs=9))
        ended(bench, "all", seconds=60)
        found = bench.platform.importance("all")
        assert list(found) == ["lr", "batch_size"]  # the stand-in learns by its rate alone
        assert sum(found.values()) == pytest.approx(1.0)
        assert found["lr"] > 0.9


class TestAsking:
    def test_an_empty_platform_lists_nothing(self, bench: Bench) -> None:
        assert list(bench.platform.list_jobs()) == []

    def test_the_same_key_again_returns_the_first_job(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("first", max_jobs=1, key="click"))
        assert bench.platform.submit(bench.request("second", max_jobs=1, key="click")).name == "first"
        assert [job.name for job in bench.platform.list_jobs()] == ["first"]
        ended(bench, "first")
        assert bench.platform.submit(bench.request("first", max_jobs=1, key="click")).name == "first"

    def test_jobs_of_both_kinds_share_their_names(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", max_jobs=1))
        job = ended(bench, "search")
        with pytest.raises(InvalidInputError, match="'search' is taken"):
            bench.platform.submit(bench.request("search", max_jobs=1, key="another"))
        trained = bench.training.describe(job.trials[0].job).request
        with pytest.raises(InvalidInputError, match="'search' is taken"):
            bench.training.submit(replace(trained, name="search", key="one more"))

    def test_says_what_was_asked_for(self, bench: Bench) -> None:
        request = bench.request("search", space=(*GRID, "dropout=range(0,0.5)"), max_jobs=1, strategy=Strategy.RANDOM)
        bench.platform.submit(request)
        assert bench.platform.describe("search").request == request

    def test_unknown_jobs_are_not_found_and_only_what_ended_badly_is_resumed(self, bench: Bench) -> None:
        for read in (bench.platform.describe, bench.platform.read_log, bench.platform.importance):
            with pytest.raises(NotFoundError, match="nobody"):
                read("nobody")
        for field in ("resumed_from", "warm_start_from"):
            with pytest.raises(NotFoundError, match="nobody"):
                bench.platform.submit(bench.request("search", **{field: "nobody"}))
        bench.platform.submit(bench.request("done", max_jobs=1))
        ended(bench, "done")
        with pytest.raises(WrongStateError, match="'done' cannot be resumed: it is Completed"):
            bench.platform.submit(bench.request("more", resumed_from="done"))

    def test_the_log_tells_the_search(self, bench: Bench) -> None:
        bench.platform.submit(bench.request("search", max_jobs=2))
        ended(bench, "search")
        text = bench.platform.read_log("search").text
        first = bench.platform.describe("search").trials[0].job
        assert f"trial 1 launched as {first}" in text
        assert "Completed after 2 trials, best is trial" in text


def jobs_of(bench: Bench) -> list[str]:
    return [trial.job for trial in bench.platform.describe("search").trials]


def log(bench: Bench, job: str) -> str:
    return bench.training.read_log(job).text
