"""Answers that are looked up on threads of their own, so that no page ever waits for AWS.

Whoever asks gets what was last known, at once, and a new look begins when that is old. While AWS throttles or cannot be
reached, the answer stays and says how old it is. Only a question that was never answered waits, and not for long; once
one has waited in vain, the others of the page do not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from backend.adapters.sagemaker.job_logs import JobLog
from backend.adapters.sagemaker.training import SageMakerTraining
from backend.adapters.sagemaker.training_limits import shortage
from backend.adapters.sagemaker.tuning import SageMakerTuning
from backend.domain.capabilities import Unsupported
from backend.domain.freshness import Freshness
from backend.domain.jobs import Compute, LogChunk, MetricPoint, Outlook, TrainingJob, TrainingRequest
from backend.domain.tuning import StopMode, TuningJob, TuningRequest
from backend.errors import DigitsError, NotFoundError, NotYetError, PlatformError
from backend.ports.training import NO_CHANNELS, Channel, TrainingPlatform
from backend.ports.tuning import TuningPlatform

LIST_SECONDS: Final = 5.0
"""Between looks at a list: ListTrainingJobs is allowed about twice a second to a whole account."""
JOB_SECONDS: Final = 2.0
ENDED_SECONDS: Final = 300.0
"""What has ended changes no more; its last log lines may come late."""
QUOTA_SECONDS: Final = 300.0
"""A quota changes when AWS has granted more, which takes hours."""
PATIENCE: Final = 2.0
"""Seconds that a first question waits for its answer."""
SILENCE: Final = 10.0
"""Seconds for which nobody waits any more after one has waited in vain, unless AWS answers meanwhile."""
STALE_SECONDS: Final = 10.0
"""Without an answer to any question, what is shown counts as old once one has failed."""
_SLOWER_AFTER_TROUBLE: Final = 4.0
_KEPT: Final = 200

T = TypeVar("T")


class _Line:
    """What all questions have together: ten that nobody answers wait for as long as one, and what is shown is as old
    as the last answer.
    """

    def __init__(self) -> None:
        self._silent_until = 0.0
        self._answered_at = 0.0
        self._as_of: datetime | None = None
        self._trouble = ""

    def wait(self, answered: threading.Event) -> None:
        begun = time.monotonic()
        # A slow answer among others that come is no silence: the next question may well be answered.
        if begun >= self._silent_until and not answered.wait(PATIENCE) and self._answered_at < begun:
            self._silent_until = time.monotonic() + SILENCE

    def answered(self) -> None:
        self._answered_at = time.monotonic()
        self._silent_until = 0.0
        self._as_of, self._trouble = datetime.now(UTC), ""

    def failed(self, error: DigitsError) -> None:
        self._trouble = error.message

    def freshness(self) -> Freshness:
        """Some question may be refused while others are answered: that one says so itself, where it is shown."""
        lately = time.monotonic() - self._answered_at < STALE_SECONDS
        return Freshness(as_of=self._as_of, trouble="" if lately else self._trouble)


_line: Final = _Line()


def heard() -> Freshness:
    """When AWS answered anything last, and why it has not since."""
    return _line.freshness()


class Answer(Generic[T]):
    """The last answer to one question, and the thread that looks for the next."""

    def __init__(self, ask: Callable[[], T], every: Callable[[T], float]) -> None:
        self._ask = ask
        self._every = every
        self._lock = threading.Lock()
        self._known: T | None = None
        self._has = False
        self._error: DigitsError | None = None
        self._due = 0.0
        self._looking = False
        self._done = threading.Event()
        self.as_of: datetime | None = None

    def get(self) -> T:
        """What is known. Raises what the first look raised, `NotFoundError` whenever the last one did, and
        `NotYetError` when there is no answer yet.
        """
        self._look()
        if not self._has:
            _line.wait(self._done)
        with self._lock:
            if isinstance(self._error, NotFoundError) or (self._error is not None and not self._has):
                raise self._error
            if not self._has:
                raise NotYetError("AWS has not answered yet.", hint="It is being asked: look again in a moment.")
            return self._known  # type: ignore[return-value]

    @property
    def trouble(self) -> str:
        return "" if self._error is None else self._error.message

    def _look(self) -> None:
        with self._lock:
            if self._looking or time.monotonic() < self._due:
                return
            self._looking = True
            self._done.clear()
        threading.Thread(target=self._run, name="aws", daemon=True).start()

    def _run(self) -> None:
        error: DigitsError | None = None
        found: Any = None
        try:
            found = self._ask()
        except DigitsError as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - a thread has nobody to raise to: it is shown where it is asked
            error = PlatformError(f"Looking at AWS failed: {type(failure).__name__}: {failure}")
        with self._lock:
            self._error = error
            pause = LIST_SECONDS * _SLOWER_AFTER_TROUBLE if error is not None else self._every(found)
            self._due = time.monotonic() + pause
            if error is None:
                self._known, self._has, self.as_of = found, True, datetime.now(UTC)
                _line.answered()
            elif not isinstance(error, NotFoundError):
                _line.failed(error)
            self._looking = False
            self._done.set()


class Answers(Generic[T]):
    """One `Answer` for each of many questions of a kind, the latest few hundred."""

    def __init__(self, ask: Callable[[Any], T], every: Callable[[T], float]) -> None:
        self._ask = ask
        self._every = every
        self._answers: dict[Hashable, Answer[T]] = {}
        self._lock = threading.Lock()

    def get(self, question: Hashable) -> T:
        return self._of(question).get()

    def forget(self) -> None:
        """After a change of ours: the next question is answered anew."""
        with self._lock:
            self._answers.clear()

    def of(self, question: Hashable) -> Freshness:
        answer = self._of(question)
        return Freshness(as_of=answer.as_of, trouble=answer.trouble)

    def _of(self, question: Hashable) -> Answer[T]:
        with self._lock:
            answer = self._answers.pop(question, None) or Answer(lambda: self._ask(question), self._every)
            self._answers[question] = answer
            while len(self._answers) > _KEPT:
                del self._answers[next(iter(self._answers))]
        return answer


class WatchedTraining:
    """`TrainingPlatform` for a dashboard: reads never wait for AWS, writes do and make the next read a new look."""

    def __init__(self, training: SageMakerTraining) -> None:
        self._training = training
        self._lists: Answers[Sequence[TrainingJob]] = Answers(lambda _: training.list_jobs(), lambda _: LIST_SECONDS)
        self._jobs: Answers[TrainingJob] = Answers(training.describe, _pause)
        self._logs: Answers[JobLog | None] = Answers(training.log, lambda _: JOB_SECONDS)
        self._quotas: Answers[int | None] = Answers(lambda name: training.quota(name), lambda _: QUOTA_SECONDS)

    @property
    def unsupported(self) -> Unsupported:
        return self._training.unsupported

    def freshness(self) -> Freshness:
        return self._lists.of("")

    def outlook(self, compute: Compute, instances: int = 1) -> Outlook:
        name = self._training.quota_name(compute)
        try:
            quota = self._quotas.get(name)
        except DigitsError:
            quota = None
        return Outlook(hourly_price=self._training.hourly_price(compute), shortage=shortage(name, quota, instances))

    def submit(self, request: TrainingRequest, channels: Mapping[str, Channel] = NO_CHANNELS) -> TrainingJob:
        job = self._training.submit(request, channels)
        self._forget()
        return job

    def describe(self, name: str) -> TrainingJob:
        return self._jobs.get(name)

    def list_jobs(self) -> Sequence[TrainingJob]:
        return self._lists.get("")

    def stop(self, name: str) -> TrainingJob:
        job = self._training.stop(name)
        self._forget()
        return job

    def read_log(self, name: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        log = self._logs.get(name)
        return LogChunk(text="", next_offset=0, size=0) if log is None else log.chunk(offset, limit)

    def metric_points(self, name: str, after: int = -1) -> Sequence[MetricPoint]:
        log = self._logs.get(name)
        return [] if log is None else log.points[after + 1 :]

    def fetch_archive(self, job: TrainingJob) -> Path:
        return self._training.fetch_archive(job)

    def fetch_output(self, job: TrainingJob) -> Path:
        return self._training.fetch_output(job)

    def _forget(self) -> None:
        for answers in (self._lists, self._jobs):
            answers.forget()


class WatchedTuning:
    """`TuningPlatform` for a dashboard, as `WatchedTraining`."""

    def __init__(self, tuning: SageMakerTuning) -> None:
        self._tuning = tuning
        self._lists: Answers[Sequence[TuningJob]] = Answers(lambda _: tuning.list_jobs(), lambda _: LIST_SECONDS)
        self._jobs: Answers[TuningJob] = Answers(tuning.describe, _pause)

    @property
    def unsupported(self) -> Unsupported:
        return self._tuning.unsupported

    def freshness(self) -> Freshness:
        return self._lists.of("")

    def submit(self, request: TuningRequest, channels: Mapping[str, Channel] = NO_CHANNELS) -> TuningJob:
        job = self._tuning.submit(request, channels)
        self._forget()
        return job

    def describe(self, name: str) -> TuningJob:
        return self._jobs.get(name)

    def list_jobs(self) -> Sequence[TuningJob]:
        return self._lists.get("")

    def stop(self, name: str, mode: StopMode) -> TuningJob:
        job = self._tuning.stop(name, mode)
        self._forget()
        return job

    def read_log(self, name: str, offset: int = 0, limit: int = 262_144) -> LogChunk:
        return self._tuning.course(self.describe(name), offset, limit)

    def importance(self, name: str) -> Mapping[str, float]:
        return self._tuning.importance(name)

    def _forget(self) -> None:
        for answers in (self._lists, self._jobs):
            answers.forget()


def _pause(job: TrainingJob | TuningJob) -> float:
    return ENDED_SECONDS if job.status.is_terminal else JOB_SECONDS


def _conforms(training: WatchedTraining, tuning: WatchedTuning) -> tuple[TrainingPlatform, TuningPlatform]:
    return training, tuning
