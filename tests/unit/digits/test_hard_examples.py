"""The input channel with drawings that people labelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.digits import hard_examples
from backend.digits.config import TrainConfig
from backend.digits.dataset import digest_of
from backend.digits.failures import ConfigError, DatasetError

TENTH = TrainConfig(hard_examples=0.1, batch_size=64)


def channel(folder: Path, labels: list[int]) -> dict[str, str]:
    images = np.full((len(labels), 28, 28), 200, np.uint8)
    np.savez_compressed(folder / "hard-examples.npz", images=images, labels=np.array(labels, np.uint8))
    return {"SM_CHANNEL_HARD_EXAMPLES": str(folder)}


def test_a_few_drawings_of_a_few_digits_are_enough_and_fill_their_share(tmp_path: Path) -> None:
    notices: list[str] = []
    part = hard_examples.load(TENTH, notices.append, channel(tmp_path, [7, 7, 1, 4]))
    assert part is not None
    images, labels = part.take(slice(None))
    assert images.shape == (8, 28, 28)  # a tenth of 64 is 6: each is there twice
    assert labels.tolist() == [7, 7, 1, 4] * 2
    assert notices == ["4 labelled drawings make up 6 of every 64 images."]


def test_without_a_share_the_channel_is_not_even_opened(tmp_path: Path) -> None:
    environ = {"SM_CHANNEL_HARD_EXAMPLES": str(tmp_path / "nowhere")}
    assert hard_examples.load(TrainConfig(), print, environ) is None


def test_a_missing_channel_is_named() -> None:
    with pytest.raises(DatasetError, match=r"no input channel 'hard_examples': SM_CHANNEL_HARD_EXAMPLES is not set"):
        hard_examples.load(TENTH, print, {})


def test_a_channel_without_drawings_and_a_wrong_label_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"\(SM_CHANNEL_HARD_EXAMPLES\) has no such file"):
        hard_examples.load(TENTH, print, {"SM_CHANNEL_HARD_EXAMPLES": str(tmp_path)})
    with pytest.raises(DatasetError, match=r"hard-examples.npz': images has 0 images; expected at least 1"):
        hard_examples.load(TENTH, print, channel(tmp_path, []))
    with pytest.raises(DatasetError, match=r"hard-examples.npz': labels\[1\] is 11; expected 0..9"):
        hard_examples.load(TENTH, print, channel(tmp_path, [3, 11]))


def test_drawings_of_both_kinds_leave_room_for_the_data_set() -> None:
    assert TrainConfig(freehand=0.5, hard_examples=0.4)
    with pytest.raises(ConfigError, match=r"freehand is 0.5 and hard_examples is 0.45; expected at most 0.9 together"):
        TrainConfig(freehand=0.5, hard_examples=0.45)


def test_other_drawings_than_the_set_that_is_named_are_refused(tmp_path: Path) -> None:
    environ = channel(tmp_path, [7, 1])
    named = digest_of(np.full((2, 28, 28), 200, np.uint8), np.array([7, 1], np.uint8))
    assert hard_examples.load(replace(TENTH, hard_examples_set=named), print, environ) is not None
    assert hard_examples.load(replace(TENTH, hard_examples_set="sevens"), print, environ) is not None
    with pytest.raises(DatasetError, match=rf"have the SHA-256 {named[:12]}; hard_examples_set names {'0' * 12}"):
        hard_examples.load(replace(TENTH, hard_examples_set="0" * 64), print, environ)
