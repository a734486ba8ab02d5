"""Made-up drawings: varied, readable as what they are called, and the held-out ones kept apart."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from backend.digits import freehand
from backend.digits.dataset import digest_of
from backend.digits.skeletons import HELD_OUT, TRAINING

DIGITS = Path(freehand.__file__).parent


def test_the_same_seed_draws_the_same_and_every_digit_as_often() -> None:
    images, labels = freehand.generate(60, seed=3)
    again, _ = freehand.generate(60, seed=3)
    others, _ = freehand.generate(60, seed=4)

    assert (images.shape, images.dtype, labels.dtype) == ((60, 28, 28), np.uint8, np.uint8)
    assert np.array_equal(images, again)
    assert not np.array_equal(images, others)
    assert np.bincount(labels).tolist() == [6] * 10


def test_no_two_drawings_are_alike_and_pens_differ() -> None:
    images, labels = freehand.generate(200, seed=1)

    assert len({image.tobytes() for image in images}) == 200
    ink = (images[labels == 1] > 100).sum(axis=(1, 2))
    assert ink.max() > 2 * ink.min()


def test_a_drawing_is_placed_as_mnist_places_digits() -> None:
    images, _ = freehand.generate(100, seed=2)

    rows, columns = images.any(axis=2).sum(axis=1), images.any(axis=1).sum(axis=1)
    assert np.maximum(rows, columns).max() <= 20
    places = np.arange(28) + 0.5
    weights = images.astype(float)
    centres = (weights.sum(axis=1) * places).sum(axis=1) / weights.sum(axis=(1, 2))
    assert np.abs(centres - 14).max() < 1.0


def test_the_two_families_share_no_style() -> None:
    for learnt, kept in zip(TRAINING, HELD_OUT, strict=True):
        assert len(learnt) >= 2
        assert len(kept) >= 2
        assert not set(learnt) & set(kept)
        strokes = {stroke for style in learnt for stroke in style}
        assert not strokes & {stroke for style in kept for stroke in style}


def test_the_held_out_drawings_are_the_ones_that_were_made_once() -> None:
    images, labels = freehand.held_out()

    assert digest_of(images, labels) == freehand.HELD_OUT_SHA256
    assert np.bincount(labels).tolist() == [200] * 10
    made, made_labels = freehand.generate(freehand.HELD_OUT_COUNT, seed=freehand._HELD_OUT_SEED, held_out=True)
    assert np.array_equal(made_labels, labels)
    # Another Pillow may round an edge differently; a picture it does not change.
    assert np.abs(made.astype(int) - images).mean() < 2.0


def test_a_changed_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    images, labels = freehand.held_out()
    other = tmp_path / "held_out.npz"
    np.savez_compressed(other, images=images, labels=labels[::-1])
    monkeypatch.setattr(freehand, "HELD_OUT_FILE", other)

    with pytest.raises(ValueError, match="is not the held-out set"):
        freehand.held_out()


def test_only_the_evaluation_reads_the_held_out_drawings() -> None:
    """No training can: whoever else called `held_out`, or drew in its styles, would be found here."""
    callers = set()
    for path in DIGITS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                held_out = any(keyword.arg == "held_out" for keyword in node.keywords)
                if name == "held_out" or held_out:
                    callers.add((path.name, ast.unparse(node)))
    assert callers == {
        ("train.py", "freehand.held_out()"),
        ("assess.py", "freehand.held_out()"),
        ("freehand.py", "generate(HELD_OUT_COUNT, seed=_HELD_OUT_SEED, held_out=True)"),
    }
    source = (DIGITS / "train.py").read_text()
    assert "drawn = evaluate.evaluate(onnx_file, *freehand.held_out())" in source
