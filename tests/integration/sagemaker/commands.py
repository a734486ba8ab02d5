"""The product's command line in a process of its own, on the fake account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fakes.aws.account import FakeAws


def run(aws: FakeAws, home: Path, *words: str) -> tuple[int, Any, str]:
    """Exit code, the JSON document, and what was told on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "backend", *words, "--platform", "sagemaker", "--json"],
        env={
            "PATH": os.environ["PATH"],
            "DIGITS_HOME": str(home),
            "PYTHONPATH": str(Path.cwd()),
            **aws.environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, json.loads(done.stdout), done.stderr
