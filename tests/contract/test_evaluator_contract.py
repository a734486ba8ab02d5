"""What running an archive must give on every platform; `backend.ports.evaluator` in executable form."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from backend.adapters.local.evaluator import LocalEvaluator
from backend.domain.predictions import DataKind, LabelledImages, Measurement
from backend.errors import ArchiveRejectedError, InvalidInputError, NotFoundError
from backend.ports.evaluator import ArchiveEvaluator
from tests.contract.archives import (
    Add,
    add_file,
    add_link,
    constant_model,
    digest_of,
    good_archive,
    renamed_model,
    template_model,
    unnormalised_model,
    write_archive,
)
from tests.fakes.evaluator import InProcessEvaluator, images

EASY = images("easy", 100, noise=0.0, seed=1)


@pytest.fixture(params=["in process", "local"])
def evaluator(request: pytest.FixtureRequest) -> ArchiveEvaluator:
    if request.param == "local":
        return LocalEvaluator(environment={**os.environ, "PYTHONPATH": str(Path.cwd())})
    return InProcessEvaluator()


def run(
    evaluator: ArchiveEvaluator,
    archive: Path,
    test: str | LabelledImages = EASY,
    hard: Sequence[LabelledImages] = (),
    sha256: str = "",
) -> Measurement:
    return evaluator.run(archive, sha256=sha256 or digest_of(archive), test=test, hard=hard, say=lambda told: None)


def test_every_image_is_answered_in_order_and_named_by_its_bytes(evaluator: ArchiveEvaluator, tmp_path: Path) -> None:
    archive = good_archive(tmp_path / "model.tar.gz")
    measured = run(evaluator, archive, hard=[images("hard-examples", 20, noise=0.0, seed=3)])
    by_kind = {tried.kind: tried for tried in measured.tried}
    assert list(by_kind) == [DataKind.TEST, DataKind.FREEHAND, DataKind.HARD_EXAMPLES]
    test = by_kind[DataKind.TEST]
    assert (test.data.sha256, test.data.name, len(test.data)) == (EASY.sha256, "easy", 100)
    predicted = np.array(test.probabilities).reshape(-1, 10).argmax(axis=1)
    assert predicted.tolist() == list(EASY.labels)
    assert len(by_kind[DataKind.FREEHAND].probabilities) == 10 * len(by_kind[DataKind.FREEHAND].data)
    assert len(by_kind[DataKind.HARD_EXAMPLES].data) == 20
    assert measured.performance.precision == "fp32"
    assert measured.performance.file_bytes == len(template_model(1.0))


def test_several_sets_of_labelled_drawings_are_tried_in_their_order(
    evaluator: ArchiveEvaluator, tmp_path: Path
) -> None:
    sets = [images(f"set-{seed}", 10 + seed, noise=0.0, seed=seed) for seed in range(12)]
    tried = run(evaluator, good_archive(tmp_path / "model.tar.gz"), hard=sets).tried
    hard = [one.data for one in tried if one.kind is DataKind.HARD_EXAMPLES]
    assert [(data.name, data.sha256) for data in hard] == [(data.name, data.sha256) for data in sets]


def test_the_archive_says_what_it_says_and_not_what_the_labels_say(evaluator: ArchiveEvaluator, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "model.tar.gz", onnx=constant_model(7))
    test = run(evaluator, archive).tried[0]
    assert set(np.array(test.probabilities).reshape(-1, 10).argmax(axis=1).tolist()) == {7}


@pytest.mark.processes
def test_a_data_set_may_be_named(evaluator: ArchiveEvaluator, tmp_path: Path) -> None:
    archive = good_archive(tmp_path / "model.tar.gz")
    assert run(evaluator, archive, "digits8x8").tried[0].data.name == "digits8x8"
    with pytest.raises(InvalidInputError, match="does not exist"):
        run(evaluator, archive, str(tmp_path / "nothing.npz"))


def test_other_bytes_than_the_registered_ones_are_not_run(evaluator: ArchiveEvaluator, tmp_path: Path) -> None:
    with pytest.raises(ArchiveRejectedError, match="SHA-256"):
        run(evaluator, good_archive(tmp_path / "model.tar.gz"), sha256="0" * 64)


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "no archive": lambda path: _text(path),
    "a way out": lambda path: _with(path, extra=lambda tar: add_file(tar, "../../evil", b"x")),
    "an absolute name": lambda path: _with(path, extra=lambda tar: add_file(tar, "/tmp/evil", b"x")),
    "a link": lambda path: _with(path, extra=lambda tar: add_link(tar, "mnist/2", "/etc")),
    "twice the model": lambda path: _with(path, extra=lambda tar: add_file(tar, "mnist/1/model.onnx", b"x")),
    "no model": lambda path: _with(path, onnx=b"not an ONNX file"),
    "another output": lambda path: _with(path, onnx=renamed_model()),
    "no probabilities": lambda path: _with(path, onnx=unnormalised_model()),
}


def _with(path: Path, onnx: bytes | None = None, extra: Add | None = None) -> Path:
    return write_archive(path, onnx=template_model(1.0) if onnx is None else onnx, extra=extra)


def _text(path: Path) -> Path:
    path.write_text("no archive")
    return path


@pytest.mark.parametrize("what", HOSTILE)
def test_what_no_stage_could_serve_is_neither_registered_nor_run(
    evaluator: ArchiveEvaluator, tmp_path: Path, what: str
) -> None:
    path = HOSTILE[what](tmp_path / "deep" / "er" / "model.tar.gz" if what != "no archive" else tmp_path / "text")
    with pytest.raises(ArchiveRejectedError):
        evaluator.examine(path)
    with pytest.raises(ArchiveRejectedError):
        run(evaluator, path)
    assert not list(tmp_path.rglob("evil"))


def test_a_good_archive_is_known_by_its_bytes(evaluator: ArchiveEvaluator, tmp_path: Path) -> None:
    archive = good_archive(tmp_path / "model.tar.gz")
    assert evaluator.examine(archive) == digest_of(archive)
    with pytest.raises(NotFoundError, match="There is no file"):
        evaluator.examine(tmp_path / "nowhere.tar.gz")
