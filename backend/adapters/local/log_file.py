"""The log of this installation: one file under the home that every process of it appends to.

Each line has the correlation id of what was being done, which pages, audit and evidence show as well.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from backend.domain.correlation import current

MAX_BYTES: Final = 5 * 2**20

_FORMAT: Final = "%(asctime)s %(levelname)s %(process)d [%(correlation)s] %(name)s: %(message)s"
_NAME: Final = "digits"
"""Our own loggers are below it; libraries speak for themselves."""


def write_log(path: Path) -> None:
    """From now on this process appends to the log at `path`; defects are told on standard error, too.

    A file that has grown large is renamed to `<name>.1` first. What cannot be written is not: the work goes on.
    """
    logger = logging.getLogger(_NAME)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    try:
        if path.stat().st_size > MAX_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
    except OSError:
        pass  # there is none yet, or another process has just renamed it
    defects = logging.StreamHandler(sys.stderr)
    defects.setLevel(logging.ERROR)
    for handler in (_Quiet(path, encoding="utf-8", delay=True), defects):
        handler.addFilter(_add_correlation)
        handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class _Quiet(logging.FileHandler):
    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # of opening the file; of writing to it, the one below
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """A full disk must not turn every log line into a traceback."""


def _add_correlation(record: logging.LogRecord) -> bool:
    record.correlation = current() or "-"
    return True
