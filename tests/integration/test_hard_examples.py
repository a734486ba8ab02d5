"""The loop closed, real from end to end: drawn, read wrong, corrected, trained on, compared, promoted, read right.

The kind of drawing is a hand that leans far to the left, which no training image does. Fifty that the first model reads
wrong are corrected; fifty others of the same hand, not chosen by what is read, tell what was learnt.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from backend.assembly import Backend
from backend.bootstrap import connect
from backend.digits.strokes import to_json
from backend.domain.gates import GateStatus
from backend.domain.jobs import JobStatus
from backend.domain.predictions import DataKind, flips
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.domain.statistics import MARGIN, mcnemar_p
from backend.services.prediction import seen_from_strokes
from backend.settings import Settings
from tests.fakes.freehand import PEN_WIDTHS, leaning, strokes_of

COUNT = 50
SMALL = {"limit": 20_000, "seed": 0}
"""Of the preset fast: what both trainings have in common."""
TRAINING_S = 240.0
GATES = """\
staging:
  approved: required
prod:
  approved: required
  not_worse: {alpha: 0.05, margin: 0.002}
  hard_examples: {tolerance: 0.02, set: leaning-held-out}
"""


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    gates = tmp_path / "gates.yaml"
    gates.write_text(GATES)
    backend = connect(Settings(DIGITS_HOME=tmp_path / "home", DIGITS_GATES=gates))
    yield backend
    for stage in Stage:
        backend.serving.delete(stage)


def test_corrected_drawings_teach_the_next_model_their_kind(backend: Backend) -> None:
    actor = backend.actor
    serve(backend, trained(backend, {}), Stage.STAGING, Stage.PROD)

    # Fifty to judge by, whatever is read; then fifty to learn from, all read wrong.
    held_out = correct(backend, drawings(seed=1), only_wrong=False)
    judged_by = backend.labelling.keep("leaning-held-out", actor=actor)
    for example_id in held_out:
        backend.prediction.remove_example(example_id, actor=actor)
    correct(backend, drawings(seed=2), only_wrong=True)
    taught = backend.labelling.keep("leaning", actor=actor)
    assert (judged_by.n, taught.n) == (COUNT, COUNT)

    second = trained(backend, {"hard_examples": 0.1, "hard_examples_set": "leaning"})
    job = backend.training.describe(backend.registry.get(second).source_job)
    assert job.request.hyperparameters["hard_examples_set"] == taught.sha256
    for number in (1, second):
        backend.evaluating.evaluate(number, actor=actor, say=print)

    # Many more of the held-out ones are right, by the product's own count and test.
    before, after = (
        backend.evaluations.predictions(backend.registry.get(n).sha256, DataKind.HARD_EXAMPLES, judged_by.sha256)
        for n in (1, second)
    )
    assert before is not None
    assert after is not None
    print(f"held-out drawings read right: {before.right} of {before.n} before, {after.right} after")
    assert before.right < COUNT // 2, "the first model reads them: they teach nothing"
    assert after.right >= before.right + 15
    assert mcnemar_p(flips(after, before).pair) < 0.001

    # The test set is read no worse.
    (entry,) = backend.comparing.compare(1, [second], kind=DataKind.TEST, margin=MARGIN).others
    assert entry.verdict is not None
    pair = entry.verdict.pair
    print(f"test set: {pair.fixed} fixed, {pair.broken} broken of {pair.n}, p = {entry.verdict.p_value:.2g}")
    assert entry.verdict.p_value >= 0.05 or pair.difference > 0

    # So the gates let it through, and the stage reads what it read wrong before.
    plan = backend.promotion.plan(Stage.PROD, second)
    said = {gate.name: gate for gate in backend.gates.evaluate(plan)}
    assert said["hard_examples"].status is GateStatus.PASSED
    assert f"set leaning-held-out, {judged_by.sha256[:12]}" in said["hard_examples"].reason
    serve(backend, second, Stage.PROD)
    shown = [(digit, seen_from_strokes(strokes)) for digit, strokes in drawings(seed=3)[:20]]
    right = {
        stage: sum(backend.prediction.predict(stage, seen).label == digit for digit, seen in shown) for stage in Stage
    }
    assert right[Stage.PROD] > right[Stage.STAGING]


def drawings(seed: int) -> Sequence[tuple[int, list[dict[str, object]]]]:
    """Digits and their strokes, every digit in turn, by both hands, with three pens."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(20 * COUNT):
        strokes = strokes_of(
            number % 10,
            width=float(random.choice(PEN_WIDTHS)),
            hand=int(random.integers(2)),
            wobble=int(random.integers(2**30)),
        )
        made.append((number % 10, to_json(leaning(strokes, random.uniform(1.2, 1.6)))))
    return made


def correct(backend: Backend, drawn: Sequence[tuple[int, list[dict[str, object]]]], *, only_wrong: bool) -> list[str]:
    """Ask staging about each, as the page does, and click on the right label, until there are fifty."""
    kept: list[str] = []
    for digit, strokes in drawn:
        seen = seen_from_strokes(strokes)
        answer = backend.prediction.predict(Stage.STAGING, seen)
        if not only_wrong or answer.label != digit:
            kept.append(backend.prediction.correct(answer, digit, seen, strokes, actor=backend.actor).id)
        if len(set(kept)) == COUNT:
            break
    return kept


def trained(backend: Backend, overrides: dict[str, str | float]) -> int:
    """Launch, wait, register, approve; returns the version's number."""
    actor = backend.actor
    job = backend.launching.train(actor=actor, preset="fast", overrides={**SMALL, **overrides})
    deadline = time.monotonic() + TRAINING_S
    while not (job := backend.training.describe(job.name)).status.is_terminal:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert job.status is JobStatus.COMPLETED, job.failure_reason
    version = backend.registration.register_job(job.name, actor=actor)
    backend.registration.decide(version.version, Approval.APPROVED, actor=actor)
    return version.version


def serve(backend: Backend, version: int, *stages: Stage) -> None:
    for stage in stages:
        deployment = backend.promotion.promote(stage, version, actor=backend.actor)
        assert deployment.outcome is Outcome.SUCCEEDED, deployment.error
