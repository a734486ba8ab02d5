"""`python -m app`: start the dashboard on the loopback address and say where it is."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from backend.bootstrap import connect
from backend.domain.capabilities import Feature
from backend.domain.serving import Stage
from backend.errors import DigitsError, SetupError
from backend.settings import ROOT, Settings, load_settings

MAIN = Path(__file__).with_name("main.py")


def main() -> int:
    """Does not return when all is well: this process becomes the server."""
    try:
        settings = load_settings()
        _require_free(settings)
        _resume_endpoints(settings)
    except DigitsError as error:
        print(f"{error.message}\n  next: {error.hint}" if error.hint else error.message, file=sys.stderr)
        return error.exit_code
    print(f"Digit Ops on http://127.0.0.1:{settings.port} (stop with Ctrl-C; jobs and endpoints go on)", flush=True)
    os.chdir(ROOT)
    # In place of this process, so that signals reach the server itself.
    return os.execv(
        sys.executable,
        [sys.executable, "-m", "streamlit", "run", str(MAIN), "--server.port", str(settings.port)],
    )


def _require_free(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.port))
        except OSError as error:
            raise SetupError(
                f"Port {settings.port} is taken: another dashboard, or another program.",
                hint="Open that dashboard, or choose another port: DIGITS_PORT=8502 make run",
            ) from error


def _resume_endpoints(settings: Settings) -> None:
    """After a restart of the machine, the endpoints that should serve do again; live ones are left alone.

    Where endpoints do not run on this machine, its restart stopped none: one that is missing was deleted by somebody.
    """
    backend = connect(settings)
    if Feature.SUSPEND in backend.serving.unsupported:
        return
    for stage in Stage:
        try:
            backend.serving.resume(stage)
        except DigitsError as error:  # the dashboard is where this is looked at and mended
            print(f"{stage.value} does not serve: {error.message}\n  next: {error.hint}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
