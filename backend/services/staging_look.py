"""Asking a stage's endpoint about known digits, one by one, as a client would: staging's, for the gates of prod."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from backend.digits.known_digits import known_digits
from backend.digits.normalise import normalise
from backend.domain.gates import StagingLook
from backend.domain.loadtest import quantile
from backend.domain.serving import ServedModel, Stage
from backend.errors import DeploymentFailedError, EndpointUnavailableError
from backend.ports.clock import Clock
from backend.ports.serving import ServingPlatform

LONGEST_SECONDS: Final = 15.0
"""A slow endpoint is not asked any longer: what it has answered till then says enough."""
_MOST_FAILURES: Final = 5
"""Each may take two seconds."""
_WARM_REQUESTS: Final = 3
_NO_ANSWER: Final = (EndpointUnavailableError, DeploymentFailedError)


def look_at_staging(
    serving: ServingPlatform,
    target: ServedModel,
    clock: Clock,
    monotonic: Callable[[], float] = time.monotonic,
    *,
    stage: Stage = Stage.STAGING,
) -> StagingLook:
    """Ask the stage about every known digit and tell what `target` said; takes less than a second on a healthy one.

    No answer, or one of another version, counts as failed; after `_MOST_FAILURES` of them, or `LONGEST_SECONDS`, the
    rest is not asked.
    """
    images, labels = known_digits()
    pictures = normalise(images)
    begun = monotonic()
    with suppress(*_NO_ANSWER):  # a connection is made and the first executions are over: clients keep theirs open
        for index in range(_WARM_REQUESTS):
            serving.predict(stage, pictures[index : index + 1])
    asked = failed = right = 0
    latencies: list[float] = []
    for index, label in enumerate(labels.tolist()):
        if failed >= _MOST_FAILURES or monotonic() - begun > LONGEST_SECONDS:
            break
        asked += 1
        try:
            answer = serving.predict(stage, pictures[index : index + 1])
        except _NO_ANSWER:
            failed += 1
            continue
        if answer.version != target.version:
            failed += 1
            continue
        latencies.append(answer.latency_ms)
        right += max(range(10), key=answer.probabilities[0].__getitem__) == label
    latencies.sort()
    return StagingLook(
        model=target,
        at=clock(),
        digits=len(labels),
        asked=asked,
        failed=failed,
        right=right,
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
    )
