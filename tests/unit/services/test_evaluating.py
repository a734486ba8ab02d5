from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from backend.domain.identity import Actor, Role
from backend.domain.predictions import DataKind
from backend.domain.registry import Approval, ModelVersion
from backend.domain.serving import Stage
from backend.errors import ArchiveRejectedError, InvalidInputError, NotFoundError, PermissionDeniedError
from backend.services import labelled_drawings
from tests.contract.archives import constant_model, good_archive
from tests.fakes import trainer
from tests.fakes.backend import World, make_world
from tests.fakes.operations import RecordedOperations
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.APPROVER)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))


def silent(_: str) -> None:
    pass


def test_what_a_training_claims_gives_way_to_what_the_archive_does(world: World, tmp_path: Path) -> None:
    """The forged claim: perfect, measured tomorrow. The archive says 7 to everything."""
    forged = {**trainer.evaluation(), "accuracy": 1.0, "measured_at": "2099-01-01T00:00:00+00:00"}
    world.add_job("job-a", onnx=constant_model(7), claims=forged)
    version = world.backend.registration.register_job("job-a", actor=ADA)
    assert version.evaluation is not None
    assert (version.evaluation.accuracy, version.evaluation.measured_at) == (1.0, None)

    seen = world.backend.evaluating.evaluate(1, actor=ADA, say=silent).evaluation

    assert seen is not None
    assert seen.accuracy == pytest.approx(0.1)
    assert seen.measured_at is not None
    assert world.backend.registry.get(1).evaluation == seen
    event = world.backend.audit.list_events()[0]
    assert (event.action, event.before["accuracy"], event.before["measured"]) == ("evaluate", 1.0, False)
    assert event.after["accuracy"] == pytest.approx(0.1)
    kept = world.backend.evaluations.predictions(version.sha256, DataKind.TEST)
    assert kept is not None
    assert set(kept.predicted) == {7}


def test_metrics_follow_from_what_is_kept_of_every_image(world: World) -> None:
    version = registered(world)
    seen = world.backend.evaluating.evaluate(1, actor=ADA, say=silent).evaluation
    kept = world.backend.evaluations.predictions(version.sha256, DataKind.TEST)
    assert seen is not None
    assert kept is not None
    labels, rows = np.frombuffer(kept.labels, np.uint8), np.array(kept.probabilities).reshape(-1, 10)
    assert 0.3 < seen.accuracy < 1.0, "else these images tell nothing"
    assert seen.accuracy == pytest.approx((rows.argmax(axis=1) == labels).mean())
    assert seen.loss == pytest.approx(-np.log(rows[np.arange(len(labels)), labels].clip(1e-7)).mean(), rel=1e-5)
    assert seen.per_class_recall[3] == pytest.approx((rows.argmax(axis=1) == labels)[labels == 3].mean())
    assert sum(map(sum, seen.confusion)) == seen.n == 200
    assert (seen.dataset, seen.test_sha256) == ("mnist", kept.data_sha256)
    assert seen.freehand is not None
    assert seen.freehand.n == 50
    assert world.backend.evaluations.data(seen.test_sha256).labels == kept.labels


def test_the_data_are_those_of_the_versions_own_training(world: World) -> None:
    registered(world)
    world.add_job("job-b", sharpness=2.0, dataset="digits8x8")
    world.backend.registration.register_job("job-b", actor=ADA)
    assert evaluated_on(world, 1) == "mnist"
    assert evaluated_on(world, 2) == "digits8x8"
    assert evaluated_on(world, 1, "digits8x8") == "digits8x8"
    assert evaluated_on(world, 1) == "digits8x8", "the newest that it was tried on, and kept"


def test_an_archive_made_elsewhere_is_tried_on_what_production_was(world: World, tmp_path: Path) -> None:
    registered(world)
    evaluated_on(world, 1, "digits8x8")
    world.backend.registration.decide(1, Approval.APPROVED, actor=ADA)
    world.backend.promotion.promote(Stage.PROD, 1, actor=ADA)
    foreign = good_archive(tmp_path / "elsewhere.tar.gz", sharpness=3.0)
    version = world.backend.registration.register_archive(foreign, actor=ADA)
    assert (version.version, version.source_job, version.evaluation) == (2, "", None)
    assert world.backend.registration.register_archive(foreign, actor=ADA).version == 2
    assert evaluated_on(world, 2) == "digits8x8"


def test_images_that_are_kept_can_be_named_by_their_digest(world: World, tmp_path: Path) -> None:
    registered(world)
    evaluated_on(world, 1, "digits8x8")
    data = world.backend.evaluations.evaluated(world.backend.registry.get(1).sha256)[1].data_sha256
    world.backend.registration.register_archive(good_archive(tmp_path / "b.tar.gz", sharpness=2.0), actor=ADA)
    seen = world.backend.evaluating.evaluate(2, actor=ADA, say=silent, data=data).evaluation
    assert seen is not None
    with pytest.raises(NotFoundError, match="are not kept here"):
        world.backend.evaluating.evaluate(2, actor=ADA, say=silent, data="f" * 64)
    with pytest.raises(InvalidInputError, match="does not exist"):
        world.backend.evaluating.evaluate(2, actor=ADA, say=silent, data="nowhere.npz")


def test_the_labelled_drawings_of_now_are_tried_and_named_as_trainings_name_them(world: World) -> None:
    version = registered(world)
    evaluated_on(world, 1)
    assert world.backend.evaluations.predictions(version.sha256, DataKind.HARD_EXAMPLES) is None
    world.backend.registration.decide(1, Approval.APPROVED, actor=ADA)
    world.backend.promotion.promote(Stage.STAGING, 1, actor=ADA)
    seen = np.zeros((28, 28), np.uint8)
    seen[4:24, 13:16] = 255
    answer = world.backend.prediction.predict(Stage.STAGING, seen)
    world.backend.prediction.correct(answer, 1, seen, [], actor=ADA)
    evaluated_on(world, 1)
    kept = world.backend.evaluations.predictions(version.sha256, DataKind.HARD_EXAMPLES)
    assert kept is not None
    assert (kept.n, kept.labels) == (1, b"\x01")
    assert kept.data_sha256 == labelled_drawings.pack(world.backend.examples.list_examples()).sha256
    assert world.backend.evaluations.data(kept.data_sha256).images == seen.tobytes()


def test_an_archive_that_rotted_keeps_what_was_known(world: World) -> None:
    registered(world)
    evaluated_on(world, 1)
    before = world.backend.registry.get(1)
    archive = world.backend.registry.fetch_archive(before)
    archive.chmod(0o600)
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(ArchiveRejectedError):
        world.backend.evaluating.evaluate(1, actor=ADA, say=silent)
    assert world.backend.registry.get(1) == before
    assert world.backend.audit.list_events()[0].outcome == "failed"


def test_a_viewer_may_neither_evaluate_nor_register(world: World, tmp_path: Path) -> None:
    viewer = Actor(name="eve", role=Role.VIEWER)
    for act in (
        lambda: world.backend.evaluating.evaluate(1, actor=viewer, say=silent),
        lambda: world.backend.evaluating.start([1], actor=viewer, key="k"),
        lambda: world.backend.registration.register_archive(good_archive(tmp_path / "x.tar.gz"), actor=viewer),
    ):
        with pytest.raises(PermissionDeniedError):
            act()
    assert list(world.backend.registry.list_versions()) == []


def test_a_hostile_archive_leaves_nothing_in_the_registry(world: World, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(b"not an archive")
    with pytest.raises(ArchiveRejectedError):
        world.backend.registration.register_archive(bad, actor=ADA)
    assert list(world.backend.registry.list_versions()) == []
    assert not list(world.home.root.glob("models/*"))


def test_a_page_starts_it_in_a_process_of_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = RecordedOperations()
    monkeypatch.setattr(world.backend.evaluating, "_operations", operations)
    started = world.backend.evaluating.start([3, 5], actor=ADA, key="0123456789abcdef", data="f" * 64)
    assert operations.started == [(started, ["evaluate", "3", "5", "--data", "f" * 64, "--json"])]
    assert started == "evaluate-0123456789ab"


def registered(world: World) -> ModelVersion:
    world.add_job("job-a", created=datetime(2026, 11, 25, tzinfo=UTC))
    return world.backend.registration.register_job("job-a", actor=ADA)


def evaluated_on(world: World, number: int, data: str = "") -> str:
    evaluation = world.backend.evaluating.evaluate(number, actor=ADA, say=silent, data=data).evaluation
    assert evaluation is not None
    return evaluation.dataset
