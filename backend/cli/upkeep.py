"""endpoints traffic, endpoints logs, endpoints extend."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from datetime import UTC, datetime

from backend.assembly import Backend
from backend.cli.documents import Answer, Document, table, time_text
from backend.domain.lifetimes import Lifetime
from backend.domain.prediction_mix import MixDrift, Tally
from backend.domain.serving import Stage
from backend.domain.traffic import Idle, Sample, Span
from backend.errors import InvalidInputError


def traffic(backend: Backend, options: Namespace) -> Answer:
    stage, span = Stage(options.stage), Span(options.span)
    samples = backend.traffic.samples(stage, span)
    idle = backend.watching.idle(stage)
    answers = backend.watching.answers(stage, span)
    rows = [
        {
            "at": f"{sample.at:%Y-%m-%d %H:%M}",
            "requests/s": f"{sample.per_second:.2f}",
            "failed": sample.failed,
            "p50": _ms(sample.p50_ms),
            "p95": _ms(sample.p95_ms),
            "p99": _ms(sample.p99_ms),
            "queue": _ms(sample.queue_ms),
            "compute": _ms(sample.compute_ms),
            "CPU": _percent(sample.cpu),
            "memory": _percent(sample.memory),
        }
        for sample in samples
    ]
    document = {
        "stage": stage.value,
        "span": span.value,
        "source": backend.traffic.source,
        "samples": [_sample_document(sample) for sample in samples],
        "idle": _idle_document(idle),
        "answers": {
            "tallies": [_tally_document(tally) for tally in answers.tallies],
            "failed": answers.failed,
            "drift": _drift_document(answers.drift),
        },
    }
    text = "\n".join(
        [
            table(rows, "Nothing was sampled in this time."),
            backend.traffic.source,
            f"Answers of our clients: {answers.drift.sentence()}",
            "Nothing is deployed." if idle is None else f"Nobody has asked since {time_text(idle.since)}.",
        ]
    )
    return document, text, 0


def logs(backend: Backend, options: Namespace) -> Answer:
    stage = Stage(options.stage)
    sources = backend.server_logs.sources(stage)
    if options.bytes < 1:
        raise InvalidInputError(f"--bytes is {options.bytes}; expected at least 1.")
    chunk = backend.server_logs.read(stage, options.source or sources[0], -options.bytes, options.bytes)
    document = {"stage": stage.value, "sources": list(sources), "text": chunk.text, "size": chunk.size}
    return document, chunk.text.rstrip() or "Nothing has been written yet.", 0


def extend(backend: Backend, options: Namespace) -> Answer:
    """Without anything to change, how it stands."""
    stage = Stage(options.stage)
    if options.no_limit and options.hours is not None:
        raise InvalidInputError("--hours and --no-limit exclude each other.", hint="Choose one.")
    if options.no_limit:
        lifetime = backend.expiry.lift(stage, actor=backend.actor)
    elif options.hours is not None:
        lifetime = backend.expiry.extend(stage, options.hours, actor=backend.actor)
    else:
        lifetime = backend.lifetimes.read(stage)
    return _lifetime_document(stage, lifetime), f"{stage.endpoint_name}: {_told(lifetime)}", 0


def _told(lifetime: Lifetime) -> str:
    if lifetime.taken_down_at is not None:
        return f"taken down at {time_text(lifetime.taken_down_at)}, when its time was over"
    return f"serves until {time_text(lifetime.until)}" if lifetime.until else "serves until it is deleted"


def _lifetime_document(stage: Stage, lifetime: Lifetime) -> Document:
    return {
        "stage": stage.value,
        "until": time_text(lifetime.until),
        "taken_down_at": time_text(lifetime.taken_down_at),
    }


def _idle_document(idle: Idle | None) -> Document | None:
    if idle is None:
        return None
    now = datetime.now(UTC)
    return {"since": time_text(idle.since), "seconds": idle.length(now).total_seconds(), "cost": idle.cost(now)}


def _sample_document(sample: Sample) -> Document:
    return {**asdict(sample), "at": time_text(sample.at), "per_second": sample.per_second}


def _tally_document(tally: Tally) -> Document:
    return {**asdict(tally), "at": time_text(tally.at), "n": tally.n}


def _drift_document(drift: MixDrift) -> Document:
    measured = drift.p_value == drift.p_value  # NaN, which JSON does not have, differs from itself
    return {
        "n": drift.n,
        "shift": drift.shift.value,
        "p_value": drift.p_value if measured else None,
        "index": drift.index if measured else None,
        "sentence": drift.sentence(),
    }


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
