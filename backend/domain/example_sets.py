"""Sets of labelled drawings that stay as they are: what a training, an evaluation and a gate can name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from backend.errors import InvalidInputError, NotFoundError

NOW: Final = "now"
"""Names no set: the labelled drawings as they are at this moment."""
LONGEST_COMMENT: Final = 300
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, kw_only=True)
class ExampleSet:
    """`n` labelled drawings, named by their `sha256` (of the images' bytes followed by the labels') and by a word.

    It never changes, whatever becomes of the drawings that it was made from.
    """

    name: str
    sha256: str
    n: int
    at: datetime
    by: str
    comment: str = ""


def require_name(name: str) -> str:
    """The name, without the space around it; raises `InvalidInputError` for one that a set cannot have."""
    word = name.strip()
    if not _NAME.fullmatch(word) or word == NOW or _DIGEST.fullmatch(word):
        raise InvalidInputError(
            f"The set's name is '{word[:60]}'; expected 1 to 40 small letters, digits, dots, hyphens and underscores, "
            f"beginning with a letter or a digit, and neither '{NOW}' nor what could be a SHA-256."
        )
    return word


def find(sets: Sequence[ExampleSet], asked: str) -> ExampleSet:
    """The set of that name, or whose SHA-256 begins so (8 digits at least); raises `NotFoundError`."""
    for one in sets:
        if one.name == asked or (_DIGEST.fullmatch(asked) and one.sha256.startswith(asked)):
            return one
    raise NotFoundError(
        f"There is no set of hard examples '{asked[:64]}'.", hint="`python -m backend hard-examples sets` shows all."
    )
