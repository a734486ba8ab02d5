"""What every Python process that a test causes was started with, and what each of them started: told by themselves.

A look at the process table would miss whatever is quicker than the look. The spy is a `sitecustomize` on PYTHONPATH,
which children inherit; it hears of programs that are not Python's, too, for a Python process started them.
"""

from __future__ import annotations

import json
from pathlib import Path

_SPY = """
import json, os, sys

def note(words):
    with open({told!r}, "a", encoding="utf-8") as file:
        file.write(json.dumps([os.fsdecode(word) for word in words]) + "\\n")

def hear(event, arguments):
    if event == "subprocess.Popen":
        words = arguments[1]
        note([arguments[0], *(words if isinstance(words, (list, tuple)) else [words])])
    elif event in ("os.exec", "os.posix_spawn"):
        note(arguments[1])

note(sys.orig_argv)
sys.addaudithook(hear)
"""


class Spy:
    """`folder` goes to the front of PYTHONPATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "spy"
        self._told = folder / "started.jsonl"
        self.folder.mkdir()
        (self.folder / "sitecustomize.py").write_text(_SPY.format(told=str(self._told)))

    def started(self) -> list[list[str]]:
        """The words of every command, in order."""
        return [json.loads(line) for line in self._told.read_text().splitlines()] if self._told.exists() else []
