"""One detached process per tuning job: chooses values, launches trials, ends bad ones, tells how the search ended.

`python -m backend.adapters.local.tuning_runner --home H --job NAME --slots N --trainer MODULE`
It holds the job's lock while it lives. Trials are training jobs with runners of their own: the queue is theirs, and
what this process knows of them is what everybody can read.
"""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from backend.adapters.local.detached_jobs import Started, be_process_of_job
from backend.adapters.local.home import Home
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.training import LocalTraining
from backend.adapters.local.tuning_search import Search, Values
from backend.adapters.local.tuning_store import TuningStore
from backend.domain.jobs import JobStatus, TrainingRequest
from backend.domain.search_space import combinations
from backend.domain.tuning import StopMode, Trial
from backend.errors import WrongStateError

POLL_SECONDS: Final = 0.5
FAILURES_IN_A_ROW: Final = 3
"""When the first so many trials fail, all would: the search ends."""


class TuningRunner:
    def __init__(self, store: TuningStore, training: LocalTraining, home: Home, name: str, *, slots: int) -> None:
        self._store = store
        self._training = training
        self._name = name
        self._request = store.get(name).request
        self._notices: list[str] = []
        self._reported: dict[int, int] = {}
        self._seen_points: dict[int, int] = {}
        self._exhausted = False
        self.terminated = threading.Event()
        finished, self._cut_off = self._past()
        self._search = Search(
            self._request, home.job(name).root / "study.journal", finished=finished, earlier=self._lessons()
        )
        if self._request.max_parallel > slots:
            self._note(
                f"This machine runs {slots} {'job' if slots == 1 else 'jobs'} at once (DIGITS_MAX_PARALLEL_JOBS): of "
                f"{self._request.max_parallel} parallel trials the others wait."
            )

    def run(self) -> None:
        """Until every trial has ended; then the job has its final status."""
        told = {trial.number for trial in self._trials()}
        while True:
            mode = self._stop_mode()
            trials = self._trials()
            for trial in trials:
                if trial.number in told:
                    continue
                if trial.status.is_terminal:
                    told.add(trial.number)
                    self._search.tell(trial)
                    self._say(_ending(trial))
                elif mode is StopMode.NOW:
                    self._stop_trial(trial)
                else:
                    self._watch(trial)
            live = [trial for trial in trials if not trial.status.is_terminal]
            hopeless = self._hopeless(trials)
            if mode is None and not hopeless and not self._complete(trials):
                self._launch(len(trials), live)
            elif not live:
                break
            time.sleep(POLL_SECONDS)
        self._conclude(hopeless)

    def _past(self) -> tuple[list[Trial], list[Trial]]:
        """Of the job that this one resumes: the trials that count as this one's, and those to be run again."""
        if not self._request.resumed_from:
            return [], []
        before = self._store.get(self._request.resumed_from).trials
        finished = [
            replace(trial, number=number) for number, trial in enumerate((t for t in before if t.is_finished), start=1)
        ]
        for trial in finished:
            self._store.add_trial(self._name, trial)
        cut_off = [trial for trial in before if not trial.is_finished]
        self._note(
            f"Going on from {self._request.resumed_from}: {len(finished)} finished trials are kept, "
            f"{len(cut_off)} that were cut off run again."
        )
        return finished, cut_off

    def _lessons(self) -> list[Trial]:
        name = self._request.warm_start_from
        return [trial for trial in self._store.get(name).trials if trial.is_finished] if name else []

    def _trials(self) -> tuple[Trial, ...]:
        self._training.refresh()
        return self._store.get(self._name).trials

    def _stop_mode(self) -> StopMode | None:
        if self.terminated.is_set():
            self._store.move(self._name, JobStatus.STOPPING, stop_mode=StopMode.NOW.value)
        return self._store.get(self._name).stop_mode

    def _complete(self, trials: tuple[Trial, ...]) -> bool:
        return self._exhausted or len(trials) >= self._request.max_jobs

    @staticmethod
    def _hopeless(trials: tuple[Trial, ...]) -> str:
        """The reason to give up, or nothing."""
        ended = [trial for trial in trials if trial.status.is_terminal]
        if len(ended) < FAILURES_IN_A_ROW or any(trial.status is not JobStatus.FAILED for trial in ended):
            return ""
        return f"The first {len(ended)} trials failed. The last, {ended[-1].job}: {ended[-1].failure_reason}"

    def _launch(self, launched: int, live: list[Trial]) -> None:
        for number in range(launched + 1, self._request.max_jobs + 1):
            if len(live) + number - launched > self._request.max_parallel:
                return
            again, resumed_from = self._next_cut_off()
            values = self._search.ask(number, again)
            if values is None:
                self._exhausted = True
                tried = combinations(self._request.space)
                self._note(f"All {tried} combinations were tried: no further trial is launched.")
                return
            self._submit(number, values, resumed_from)

    def _next_cut_off(self) -> tuple[Values | None, str]:
        """The values of a trial to run again, and the job whose checkpoints it may go on from."""
        if not self._cut_off:
            return None, ""
        trial = self._cut_off.pop(0)
        # A trial that its dead tuning job left behind may still be ending: then it begins anew.
        status = self._training.describe(trial.job).status
        return trial.hyperparameters, trial.job if status in (JobStatus.FAILED, JobStatus.STOPPED) else ""

    def _submit(self, number: int, values: Values, resumed_from: str) -> None:
        request = TrainingRequest(
            name=f"{self._name}-{number:03d}-{secrets.token_hex(4)}",
            preset=self._request.preset,
            hyperparameters={**self._request.hyperparameters, **values},
            requested_by=self._request.requested_by,
            key=f"{self._request.key}/{number}",
            resumed_from=resumed_from,
            tuning_job=self._name,
        )
        job = self._training.submit(request)
        self._store.add_trial(self._name, Trial(number=number, job=job.name, status=job.status, hyperparameters=values))
        shown = ", ".join(f"{name}={_text(value)}" for name, value in values.items())
        self._say(
            f"trial {number} launched as {job.name}: {shown}" + (f", from {resumed_from}" if resumed_from else "")
        )

    def _watch(self, trial: Trial) -> None:
        """Pass on what the trial reported at the end of each epoch, and end it when the search says so."""
        for point in self._training.metric_points(trial.job, self._seen_points.get(trial.number, -1)):
            self._seen_points[trial.number] = point.seq
            epoch, value = point.values.get("epoch", 0.0), point.values.get(self._request.objective)
            # Objectives of the validation come once an epoch; of the training also within one.
            if value is None or epoch != int(epoch) or epoch <= self._reported.get(trial.number, 0):
                continue
            self._reported[trial.number] = int(epoch)
            if self._search.report(trial.number, int(epoch), value) and epoch < trial.planned_epochs:
                self._store.mark_stopped_early(self._name, trial.number)
                self._say(f"trial {trial.number} is ended after epoch {int(epoch)}: {value:.4g} is worse than others")
                self._stop_trial(trial)
                return

    def _stop_trial(self, trial: Trial) -> None:
        with suppress(WrongStateError):  # it has just ended by itself
            self._training.stop(trial.job)

    def _conclude(self, hopeless: str) -> None:
        job = self._store.get(self._name)
        now = datetime.now(UTC)
        if job.status is JobStatus.STOPPING:
            self._store.move(self._name, JobStatus.STOPPED, ended_at=now)
        elif hopeless or job.best_trial is None:
            reason = hopeless or _nothing(job.trials)
            self._store.move(self._name, JobStatus.FAILED, failure_reason=reason, ended_at=now)
        else:
            self._store.move(self._name, JobStatus.COMPLETED, ended_at=now)
        job = self._store.get(self._name)
        best = f", best is trial {job.best_trial.number} with {job.best_trial.value:.6g}" if job.best_trial else ""
        self._say(f"{job.status.value} after {len(job.trials)} trials{best}")

    def _note(self, text: str) -> None:
        self._notices.append(text)
        self._store.tell(self._name, self._notices)
        self._say(text)

    @staticmethod
    def _say(text: str) -> None:
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", flush=True)


def _ending(trial: Trial) -> str:
    value = "no value" if trial.value is None else f"{trial.value:.6g}"
    how = "stopped early" if trial.stopped_early else trial.status.value
    reason = f": {trial.failure_reason}" if trial.failure_reason else ""
    return f"trial {trial.number} {how}, {value} after {trial.epochs:g} epochs{reason}"


def _nothing(trials: tuple[Trial, ...]) -> str:
    failed = [trial for trial in trials if trial.failure_reason]
    return "No trial completed." + (f" The last, {failed[-1].job}: {failed[-1].failure_reason}" if failed else "")


def _text(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _store(started: Started) -> TuningStore:
    return TuningStore(started.database)


def _run(started: Started) -> None:
    training = LocalTraining(
        JobStore(started.database, started.home),
        started.home,
        slots=started.slots,
        environment=os.environ,
        trainer=started.trainer,
    )
    runner = TuningRunner(_store(started), training, started.home, started.job, slots=started.slots)
    signal.signal(signal.SIGTERM, lambda *_: runner.terminated.set())
    runner.run()


if __name__ == "__main__":
    be_process_of_job(_store, _run)
