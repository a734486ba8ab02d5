"""Which commit, and which CI run, this process is: GitHub Actions says it, else git."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from backend.domain.origin import Origin

_GIT_TIMEOUT_S: Final = 1.0
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_RUN_URL: Final = re.compile(r"https://[\w.:/-]+/actions/runs/[0-9]+")


def read_origin(environment: Mapping[str, str], repository: Path) -> Origin:
    """Variables: https://docs.github.com/actions/reference/workflows-and-actions/variables."""
    server, name, run = (environment.get(f"GITHUB_{key}", "") for key in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    url = f"{server}/{name}/actions/runs/{run}"
    commit = environment.get("GITHUB_SHA", "") if environment.get("GITHUB_ACTIONS") == "true" else _head(repository)
    return Origin(
        commit=commit if _COMMIT.fullmatch(commit) else "",
        run_url=url if _RUN_URL.fullmatch(url) else "",
    )


def _head(repository: Path) -> str:
    """The commit that is checked out; empty without git, and outside of a repository."""
    command = ["git", "-C", str(repository), "rev-parse", "--verify", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
