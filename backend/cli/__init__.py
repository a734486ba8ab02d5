"""The command line: the same services as the pages.

Standard output carries the answer (with `--json` exactly one document), standard error progress and errors.
Exit codes: 0 done, 1 the work ended badly, 2 invalid input, 3 not found, 4 refused, 5 platform failed, 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from backend.bootstrap import connect
from backend.cli.documents import Document, gate_document, neutral
from backend.cli.parser import build_parser
from backend.domain.correlation import VARIABLE, correlated, current
from backend.errors import DigitsError, GateFailedError, PlatformError
from backend.settings import load_settings

INTERRUPTED = 130

log = logging.getLogger("digits.cli")


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = build_parser().parse_args(arguments)
    try:
        with correlated(os.environ.get(VARIABLE, "")):
            return _run(options)
    except KeyboardInterrupt:
        print("Interrupted. Work that was launched goes on: `python -m backend jobs list` shows it.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain again when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(options: Namespace) -> int:
    try:
        settings = load_settings()
        if options.platform:
            settings = settings.model_copy(update={"platform": options.platform})
        document, text, code = options.run(connect(settings), options)
    except DigitsError as error:
        return _failed(error, options)
    except BrokenPipeError:
        raise
    except OSError as error:
        what = f"{error.strerror or type(error).__name__}: '{error.filename}'." if error.filename else f"{error}."
        return _failed(PlatformError(what, hint="Check the disk, and who may write there; then try again."), options)
    except Exception:  # the last line of defence of a command: logged whole, shown as an id
        log.exception("[%s] unexpected", current())
        hint = f"This is a defect; the log has it whole under {current()}."
        return _failed(PlatformError("The command ended unexpectedly.", hint=hint), options)
    print(json.dumps(document, indent=2) if options.json else neutral(text), flush=True)
    return int(code)


def _failed(error: DigitsError, options: Namespace) -> int:
    log.info("%s: %s", type(error).__name__, error.message)
    if options.json:
        what = {"kind": type(error).__name__, "message": error.message, "hint": error.hint, "reference": current()}
        told: Document = {"error": what}
        if isinstance(error, GateFailedError):
            told["gates"] = [gate_document(gate) for gate in error.gates]
        print(json.dumps(told))
    print(neutral(f"{error.message}\n  next: {error.hint}" if error.hint else error.message), file=sys.stderr)
    return error.exit_code
