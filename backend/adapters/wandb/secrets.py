"""Keys stay out of texts that people and files get to see."""

from __future__ import annotations

import re
from typing import Final

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{40,}")
"""What a W&B key looks like, with a little more: digests go too, which nobody misses in a message."""


def scrubbed(text: str) -> str:
    """The text with everything in it that could be a key left out."""
    return _KEY.sub("[left out]", text)
