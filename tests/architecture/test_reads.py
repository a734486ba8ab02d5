"""What pages keep is kept apart for each platform: through `app.reads`, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEEPS = re.compile(r"\b(cache_data|cache_resource|lru_cache|functools\.cache|import cache)\b")
MAY_KEEP = {
    "app/reads.py": "has the platform in every key",
    "app/context.py": "the settings, and one backend for each platform",
}


def test_every_read_that_pages_keep_has_the_platform_in_its_key() -> None:
    files = sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "pages").rglob("*.py")])
    keeping = {str(path.relative_to(ROOT)) for path in files if KEEPS.search(path.read_text())}
    assert keeping == MAY_KEEP.keys(), "keep reads with `copied` or `shared` of app.reads"
