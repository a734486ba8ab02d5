"""What a job is launched with: values, and the labelled drawings of the moment."""

from __future__ import annotations

import io
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from backend.domain.audit import AuditFilter
from backend.domain.identity import Actor, Role
from backend.domain.prediction import HardExample
from backend.domain.serving import Stage
from backend.errors import InvalidInputError, RefusedError
from backend.services import labelled_drawings
from tests.fakes import trainer
from tests.fakes.backend import NOON, World, make_world
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.APPROVER)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))


def example(ink: int, label: int, minutes: int = 0) -> HardExample:
    """A picture all of `ink`, under `label` since so many minutes after noon."""
    return HardExample(
        id=f"{ink}-{label}", label=label, predicted=8, version=1, stage=Stage.PROD, by="ada",
        at=NOON + timedelta(minutes=minutes), pixels=bytes([ink]) * 784,
    )  # fmt: skip


def given(world: World, job: str) -> dict[str, np.ndarray]:
    with np.load(world.home.job(job).input_data / "hard_examples" / "hard-examples.npz") as archive:
        return {name: archive[name] for name in archive.files}


def wait_for_end(world: World, job: str) -> None:
    deadline = time.monotonic() + 15
    while not world.backend.training.describe(job).status.is_terminal:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_job_gets_a_copy_of_the_labelled_drawings_and_the_audit_log_names_it(world: World) -> None:
    for kept in (example(10, 1), example(20, 2, 1), example(10, 7, 2)):
        world.backend.examples.add(kept)
    expected = labelled_drawings.pack(world.backend.examples.list_examples())

    job = world.backend.launching.train(actor=ADA, preset="fast", overrides={"hard_examples": 0.1}, name="first")
    world.backend.examples.add(example(30, 3, 3))

    assert job.request.hyperparameters["hard_examples"] == 0.1
    drawings = given(world, "first")
    assert (drawings["images"].shape, drawings["images"].dtype) == ((2, 28, 28), np.uint8)
    # The picture that was labelled anew has its newest label.
    assert list(zip(drawings["images"][:, 0, 0], drawings["labels"], strict=True)) == [(20, 2), (10, 7)]
    (event,) = world.backend.audit.list_events(AuditFilter(subject="job first"))
    assert event.after["hyperparameters"]["hard_examples"] == 0.1
    assert event.after["hard_examples"] == {"n": 2, "sha256": expected.sha256}
    wait_for_end(world, "first")


def test_a_resumed_job_reads_the_drawings_of_the_job_that_it_goes_on_from(world: World) -> None:
    world.backend.examples.add(example(10, 1))
    values = {"hard_examples": 0.1, "seed": trainer.FAILS}
    world.backend.launching.train(actor=ADA, preset="fast", overrides=values, name="first")
    wait_for_end(world, "first")
    world.backend.examples.add(example(20, 2, 1))

    world.backend.launching.resume("first", actor=ADA)

    wait_for_end(world, "first-r2")
    assert given(world, "first-r2")["labels"].tolist() == [1]


def test_without_labelled_drawings_a_share_of_them_is_refused_and_nothing_is_launched(world: World) -> None:
    with pytest.raises(RefusedError, match=r"hard_examples is 0.1, and no drawing has been labelled yet") as caught:
        world.backend.launching.train(actor=ADA, preset="fast", overrides={"hard_examples": "0.1"}, name="first")
    assert caught.value.hint.startswith("Correct drawings on the Draw page first")
    assert list(world.backend.training.list_jobs()) == []
    assert [event.outcome for event in world.backend.audit.list_events(AuditFilter(subject="job first"))] == ["refused"]


def test_no_share_needs_no_drawings_and_hands_none_over(world: World) -> None:
    world.backend.examples.add(example(10, 1))
    world.backend.launching.train(actor=ADA, preset="fast", overrides={}, name="first")
    wait_for_end(world, "first")
    assert not world.home.job("first").input_data.exists()


def test_drawings_of_both_kinds_leave_room_for_the_data_set(world: World) -> None:
    overrides = {"hard_examples": 0.5, "freehand": 0.5}
    with pytest.raises(InvalidInputError, match=r"freehand is 0.5 and hard_examples is 0.5; expected at most 0.9"):
        world.backend.launching.train(actor=ADA, preset="fast", overrides=overrides)


def test_the_same_drawings_give_the_same_file_and_none_an_empty_one() -> None:
    examples = [example(20, 2, 1), example(10, 1)]
    first, again = labelled_drawings.pack(examples), labelled_drawings.pack(examples)
    assert (first, first.count) == (again, 2)
    empty = labelled_drawings.pack([])
    with np.load(io.BytesIO(empty.content)) as archive:
        assert (empty.count, archive["images"].shape, archive["labels"].shape) == (0, (0, 28, 28), (0,))
