"""The candidate's worker, as a real process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backend.adapters.local import candidates as adapter
from backend.adapters.local.candidates import LocalCandidates
from backend.domain.registry import Approval, ModelVersion
from backend.domain.serving import Stage
from backend.errors import ArchiveRejectedError, InvalidInputError, WorkFailedError
from backend.services.prediction import seen_from_strokes
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing

ONE = [{"width": 20, "points": [[140, 40], [140, 240]]}]
IMAGES = np.zeros((3, 28, 28, 1), np.float32)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    world.add_job("done")
    world.backend.registration.register_job("done", actor=world.backend.actor)
    yield world
    world.candidates.close()


@pytest.fixture
def candidates(world: World) -> LocalCandidates:
    return world.candidates


@pytest.fixture
def archive(world: World) -> tuple[ModelVersion, Path]:
    version = world.backend.registry.get(1)
    return version, world.backend.registry.fetch_archive(version)


def test_a_candidate_says_what_the_same_archive_says_when_it_serves(world: World) -> None:
    seen = seen_from_strokes(ONE)
    tried = world.backend.prediction.try_candidate(1, seen)
    world.backend.registration.decide(1, Approval.APPROVED, actor=world.backend.actor)
    world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)
    served = world.backend.prediction.predict(Stage.STAGING, seen)
    assert tried.probabilities == pytest.approx(served.probabilities, abs=1e-5)
    assert (tried.version, tried.stage, tried.label) == (1, None, served.label)


def test_a_candidate_is_asked_in_batches_by_one_process(
    candidates: LocalCandidates, archive: tuple[ModelVersion, Path]
) -> None:
    first = candidates.predict(*archive, IMAGES)
    worker = candidates.process_id
    second = candidates.predict(*archive, IMAGES[:1])
    assert len(first.probabilities) == 3
    assert second.probabilities == first.probabilities[:1]
    assert candidates.process_id == worker


def test_a_worker_that_was_killed_is_started_again(
    candidates: LocalCandidates, archive: tuple[ModelVersion, Path]
) -> None:
    before = candidates.predict(*archive, IMAGES)
    os.kill(candidates.process_id, 9)
    os.waitpid(candidates.process_id, 0)
    assert candidates.predict(*archive, IMAGES).probabilities == before.probabilities


def test_a_model_that_hangs_is_given_up(
    candidates: LocalCandidates, archive: tuple[ModelVersion, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates.predict(*archive, IMAGES)
    monkeypatch.setattr(adapter, "DEADLINE_S", 0.2)
    os.kill(candidates.process_id, 19)  # SIGSTOP
    with pytest.raises(WorkFailedError, match=r"Version 1 does not answer: no answer within 0\.2 seconds"):
        candidates.predict(*archive, IMAGES)
    monkeypatch.undo()
    assert len(candidates.predict(*archive, IMAGES).probabilities) == 3


def test_an_archive_that_rotted_is_refused(candidates: LocalCandidates, archive: tuple[ModelVersion, Path]) -> None:
    version, path = archive
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArchiveRejectedError, match="has SHA-256"):
        candidates.predict(version, path, IMAGES)


def test_images_out_of_range_never_reach_the_model(
    candidates: LocalCandidates, archive: tuple[ModelVersion, Path]
) -> None:
    with pytest.raises(InvalidInputError, match="Pixels go from"):
        candidates.predict(*archive, IMAGES + 255)
