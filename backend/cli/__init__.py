"""The command line: the same services as the pages.

Standard output carries the answer (with `--json` exactly one document), standard error progress and errors.
Exit codes: 0 done, 1 the work ended badly, 2 invalid input, 3 not found, 4 refused, 5 platform failed, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from backend.bootstrap import connect
from backend.cli.parser import build_parser
from backend.errors import DigitsError
from backend.settings import load_settings

INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = build_parser().parse_args(arguments)
    try:
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
        document, text, code = options.run(connect(load_settings()), options)
    except DigitsError as error:
        if options.json:
            print(json.dumps({"error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}}))
        print(f"{error.message}\n  next: {error.hint}" if error.hint else error.message, file=sys.stderr)
        return error.exit_code
    print(json.dumps(document, indent=2) if options.json else text, flush=True)
    return int(code)
