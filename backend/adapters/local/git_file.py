"""A file as it was at another commit, as git has it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from backend.errors import InvalidInputError

_TIMEOUT_S: Final = 10.0
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}|[\w][\w./-]{0,199}")


def text_at(path: Path, commit: str) -> str | None:
    """The file's text where the history of `commit` and of what is checked out parted.

    So a branch that is behind is held against what it began with. None where there was no such file, where the commit
    is not known here (a force-push took it away), and where git cannot be asked: then nobody knows what it was.
    Raises `InvalidInputError` for a name that no commit has.
    """
    if not _COMMIT.fullmatch(commit):
        raise InvalidInputError(f"'{commit[:80]}' names no commit.", hint="Give its hexadecimal digits, or a branch.")
    base = _git(path.parent, "merge-base", "--", commit, "HEAD")
    return None if base is None else _git(path.parent, "show", f"{base.strip()}:./{path.name}")


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, timeout=_TIMEOUT_S, check=False)
        return done.stdout.decode() if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
