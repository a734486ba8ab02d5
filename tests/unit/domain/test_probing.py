from __future__ import annotations

import math

from backend.domain.loadtest import Shot
from backend.domain.probing import Span, summarise_stream


def shot(due: float, done: float, *, version: int = 1, failure: str = "") -> Shot:
    return Shot(due=due, sent=due, done=done, version=0 if failure else version, failure=failure)


def test_each_request_belongs_to_the_part_in_which_it_waited() -> None:
    shots = [
        shot(0.0, 0.010),
        shot(1.0, 1.020),
        shot(1.9, 2.5),  # sent before the switch and answered in it: a client that waited for it
        shot(2.1, 2.2, version=2),
        shot(2.3, 4.3, failure="timeout"),
        shot(3.1, 3.104, version=2),
    ]
    stream = summarise_stream(shots, per_second=50, began=2.0, over=3.0)
    assert (stream.before.requests, stream.during.requests, stream.after.requests) == (2, 3, 1)
    assert (stream.requests, stream.failed, stream.failures) == (6, 1, {"timeout": 1})
    assert round(stream.before.p99_ms or 0) == 20
    assert round(stream.during.p50_ms or 0) == 100
    assert round(stream.during.p99_ms or 0) == 600  # the failed one has no latency
    assert round(stream.after.p50_ms or 0) == 4


def test_versions_are_told_in_the_order_of_asking_without_repetitions() -> None:
    shots = [shot(3, 3.1, version=2), shot(1, 1.9, version=1), shot(2, 2.1, failure="connection"), shot(4, 4.1)]
    assert summarise_stream(shots, per_second=1, began=0, over=9).versions == (1, 2, 1)


def test_a_change_that_never_began_leaves_all_before_it() -> None:
    stream = summarise_stream([shot(1, 1.1), shot(2, 2.1)], per_second=1, began=math.inf, over=math.inf)
    assert (stream.before.requests, stream.during, stream.after) == (2, Span(), Span())


def test_nothing_asked_is_no_failure_and_has_no_latency() -> None:
    stream = summarise_stream([], per_second=1, began=1, over=2)
    assert (stream.requests, stream.failed, stream.versions, stream.before.p50_ms) == (0, 0, (), None)
