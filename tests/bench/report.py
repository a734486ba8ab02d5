"""Where measurements are written: sections of `docs/benchmarks.md`, each with its date and machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "docs" / "benchmarks.md"


def write_section(title: str, rows: Mapping[str, str], *, path: Path = BENCHMARKS) -> None:
    """Print the figures and put them in the place of the section with this title, or at the end."""
    write_table(title, ("what", "measured"), list(rows.items()), path=path)


def write_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, note: str = "", path: Path = BENCHMARKS
) -> None:
    """Like `write_section`, with columns of one's own; `note` is a paragraph under the date."""
    lines = [_row(columns), "|" + "---|" * len(columns), *(_row(row) for row in rows)]
    section = "\n\n".join(filter(None, (f"## {title}", _where(), note, "\n".join(lines)))) + "\n"
    print(section, flush=True)
    text = path.read_text() if path.is_file() else "# Benchmarks\n\nMade by `make bench`.\n"
    pattern = re.compile(rf"## {re.escape(title)}\n.*?(?=\n## |\Z)", re.DOTALL)
    text = pattern.sub(lambda _: section, text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}"
    path.write_text(text)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _where() -> str:
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {platform.machine()}, "
        f"{cores} cores, load average {load:.1f}."
    )
