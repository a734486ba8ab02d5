"""Asking an endpoint of SageMaker as many clients would: each request is signed, and goes through AWS's front door."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import count as count_from
from itertools import cycle
from typing import Final

from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from backend.adapters.sagemaker.asking import ask
from backend.adapters.sagemaker.session import Aws
from backend.adapters.triton.canary import canary_images
from backend.domain.loadtest import LoadPlan, Reach, Shot
from backend.errors import DeploymentFailedError, DigitsError, SetupError, ThrottledError
from backend.ports.load import LoadGenerator, Progress

STREAM_CONNECTIONS: Final = 4
"""One that stalls must not hide from the others what happens meanwhile."""
STREAM_TAIL_S: Final = 0.5
_TOLD_EVERY_S: Final = 1.0
_PAUSE_S: Final = 0.05
"""What does not exist is refused at once: a client that did not wait would ask a thousand times a second."""

log = logging.getLogger("endpoint")

Schedule = Callable[[], float | None]
"""When the next request is due, on the monotonic clock; None when there is none."""


class SageMakerLoad:
    """`LoadGenerator` by InvokeEndpoint; an address is an endpoint's name.

    An answer does not say which version gave it: Triton on SageMaker calls all of ours 1. That we may not ask, or no
    longer, is no failure of the endpoint: asking ends then, and what was asked until then counts.
    """

    reach = Reach(
        connections=8,
        per_second=5.0,
        remark="Requests are signed on this machine and go through AWS's front door, whose time is in the numbers: "
        "they tell what a client here gets, not the most that the endpoint can do (SageMaker Inference Recommender "
        "does). An endpoint that scales by its load may grow, and costs more then.",
    )

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def closed_loop(self, address: str, plan: LoadPlan, progress: Progress) -> Sequence[Shot]:
        begun = time.monotonic()
        end = begun + plan.seconds

        def due() -> float | None:
            now = time.monotonic()
            return now if now < end else None

        shots: list[Shot] = []
        refusals: list[SetupError] = []
        with ThreadPoolExecutor(max_workers=plan.concurrency) as asking:
            pending = {asking.submit(self._ask, address, due, shots) for _ in range(plan.concurrency)}
            while pending:
                ended, pending = wait(pending, _TOLD_EVERY_S)
                refusals += [error for one in ended if (error := one.result()) is not None]
                progress(time.monotonic() - begun, len(shots), sum(bool(shot.failure) for shot in shots))
        if refusals and not shots:
            raise refusals[0]
        return shots

    @contextmanager
    def stream(self, address: str, per_second: float) -> Iterator[Sequence[Shot]]:
        shots: list[Shot] = []
        begun, numbers, lock = time.monotonic(), count_from(), threading.Lock()
        end: list[float] = []

        def due() -> float | None:
            with lock:
                moment = begun + next(numbers) / per_second
            while (left := moment - time.monotonic()) > 0:
                if end and moment >= end[0]:
                    return None
                time.sleep(min(left, 0.05))
            return None if end and moment >= end[0] else moment

        asking = [
            threading.Thread(target=self._ask, args=(address, due, shots), name="probe stream", daemon=True)
            for _ in range(STREAM_CONNECTIONS)
        ]
        for thread in asking:
            thread.start()
        try:
            yield shots
        finally:
            end.append(time.monotonic() + STREAM_TAIL_S)
            for thread in asking:
                thread.join()

    def _ask(self, endpoint: str, due: Schedule, shots: list[Shot]) -> SetupError | None:
        """Append to `shots` as answers come, until nothing is due any more or we may not ask, and say why not."""
        images = canary_images()
        for number in cycle(range(len(images))):
            moment = due()
            if moment is None:
                break
            sent, failure = time.monotonic(), ""
            try:
                ask(self._aws, endpoint, images[number : number + 1])
            except SetupError as error:
                log.warning("%s is asked no more: %s", endpoint, error.message)
                return error
            except DigitsError as error:
                failure = _kind(error)
            shots.append(Shot(due=moment, sent=sent, done=time.monotonic(), failure=failure))
            if failure:
                time.sleep(_PAUSE_S)
        return None


def _kind(error: BaseException) -> str:
    """The kind of failure in a word or two, as its cause tells."""
    if isinstance(error, ThrottledError):
        return "throttled"
    if isinstance(error, DeploymentFailedError):
        return "unreadable"
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    timed_out = any(isinstance(one, ReadTimeoutError | ConnectTimeoutError) for one in causes)
    return "timeout" if timed_out else "unavailable"


def _conforms(load: SageMakerLoad) -> LoadGenerator:
    return load
