"""What a steady stream of known digits saw of a stage while what it serves was changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from backend.domain.loadtest import Shot, quantile


@dataclass(frozen=True, kw_only=True)
class Span:
    """The requests of one part of the change. The quantiles are of the answered ones, in milliseconds since each was
    due; None when there are none.
    """

    requests: int = 0
    failed: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class ProbeStream:
    """`during` lasts from the beginning of the switch until what was replaced is gone; `before` and `after` are around
    it.

    Where nothing served before, nothing was asked until the change was over: all is `after` then. `versions` answered,
    in the order of asking, repetitions left out, as far as the server says; `failures` counts the failed requests by
    kind.
    """

    per_second: float
    before: Span = field(default_factory=Span)
    during: Span = field(default_factory=Span)
    after: Span = field(default_factory=Span)
    versions: tuple[int, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def spans(self) -> Mapping[str, Span]:
        """By name, in order."""
        return {"before": self.before, "during": self.during, "after": self.after}

    @property
    def answered_by(self) -> str:
        """The versions, for a sentence."""
        unnamed = "a server that does not say which version" if self.requests > self.failed else "nobody"
        return " → ".join(f"v{version}" for version in self.versions) or unnamed

    @property
    def requests(self) -> int:
        return sum(span.requests for span in self.spans.values())

    @property
    def failed(self) -> int:
        return sum(span.failed for span in self.spans.values())


def summarise_stream(shots: Sequence[Shot], *, per_second: float, began: float, over: float) -> ProbeStream:
    """What the shots say about a change from `began` to `over`, on the clock of the shots; infinity when it never came.

    A request belongs to the change if it was waiting at any moment of it.
    """
    ordered = sorted(shots, key=lambda shot: shot.due)
    versions = [shot.version for shot in ordered if shot.version and not shot.failure]
    before = [shot for shot in ordered if shot.done < began]
    after = [shot for shot in ordered if shot.due > over]
    during = [shot for shot in ordered if shot.done >= began and shot.due <= over]
    return ProbeStream(
        per_second=per_second,
        before=_span(before),
        during=_span(during),
        after=_span(after),
        versions=(*versions[:1], *(new for old, new in pairwise(versions) if old != new)),
        failures=dict(Counter(shot.failure for shot in ordered if shot.failure)),
    )


def _span(shots: Sequence[Shot]) -> Span:
    latencies = sorted(shot.latency_ms for shot in shots if not shot.failure)
    return Span(
        requests=len(shots),
        failed=len(shots) - len(latencies),
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
    )
