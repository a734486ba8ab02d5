"""Drawings that people labelled, which a platform hands over as the input channel `hard_examples`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from . import array_files
from .config import TrainConfig
from .dataset import Part, digest_of
from .failures import DatasetError

CHANNEL: Final = "SM_CHANNEL_HARD_EXAMPLES"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def load(config: TrainConfig, notify: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> Part | None:
    """The labelled drawings of the channel; None when `config` wants none of them in a batch.

    There may be few: each is told to `notify`, and its row repeated until a batch can have its share. The folder is one
    with an .npz or .npy files (see `array_files`), where not every digit need occur. Where `config` names a set by its
    SHA-256, they must be that set. Raises `DatasetError`.
    """
    if not config.hard_examples:
        return None
    folder = environ.get(CHANNEL, "")
    if not folder:
        raise DatasetError(
            f"hard_examples is {config.hard_examples:g}, and there is no input channel 'hard_examples': {CHANNEL} "
            "is not set. Hand over a folder with an .npz of images and labels, or set hard_examples to 0."
        )
    files = array_files.read_few(array_files.in_folder(Path(folder), CHANNEL), notify)
    named = config.hard_examples_set
    if _SHA256.fullmatch(named) and (found := digest_of(files.images, files.labels)) != named:
        raise DatasetError(
            f"The drawings in '{folder}' ({CHANNEL}) have the SHA-256 {found[:12]}; "
            f"hard_examples_set names {named[:12]}."
        )
    count = len(files.images)
    share = max(1, round(config.batch_size * config.hard_examples))
    rows = np.tile(np.arange(count, dtype=np.uint32), -(-share // count))
    notify(f"{count} labelled drawings make up {share} of every {config.batch_size} images.")
    return Part(images=files.images, labels=files.labels, rows=rows)
