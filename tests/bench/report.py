"""Where measurements are written: sections of `docs/benchmarks.md`, each with its date and machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "docs" / "benchmarks.md"


def write_section(title: str, rows: Mapping[str, str], *, path: Path = BENCHMARKS) -> None:
    """Print the figures and put them in the place of the section with this title, or at the end."""
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    section = f"## {title}\n\n{_where()}\n\n| what | measured |\n|---|---|\n{table}\n"
    print(section)
    text = path.read_text() if path.is_file() else "# Benchmarks\n\nMade by `make bench`.\n"
    pattern = re.compile(rf"## {re.escape(title)}\n.*?(?=\n## |\Z)", re.DOTALL)
    text = pattern.sub(lambda _: section, text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}"
    path.write_text(text)


def _where() -> str:
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {platform.machine()}, "
        f"{cores} cores, load average {load:.1f}."
    )
