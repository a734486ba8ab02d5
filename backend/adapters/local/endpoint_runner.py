"""The detached process of one stage: an `EndpointSupervisor` and what it needs.

    python -m backend.adapters.local.endpoint_runner --home H --stage staging --serving-env E
    python -m backend.adapters.local.endpoint_runner --home H --stage staging --triton http://triton-staging:8000 \
        --repository /models/staging

It holds the stage's lock while it lives. A Triton that it started dies with it. It ends on SIGTERM, or by itself when
nothing has been wanted for a while.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from backend.adapters.local.endpoint_expiry import EndpointExpiry
from backend.adapters.local.endpoint_folder import EndpointFolder
from backend.adapters.local.endpoint_guard import EndpointGuard
from backend.adapters.local.endpoint_sampler import EndpointSampler, Keep
from backend.adapters.local.endpoint_server import SupervisedServer
from backend.adapters.local.endpoint_supervisor import EndpointSupervisor, StageServer
from backend.adapters.local.external_server import ExternalServer, ExternalTriton
from backend.adapters.local.home import Home
from backend.adapters.local.processes import FileLock
from backend.domain.audit import AuditEvent
from backend.domain.serving import Stage
from backend.domain.traffic import Sample

if TYPE_CHECKING:
    from backend.adapters.local.database import Database

_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="endpoint_runner")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--stage", type=Stage, required=True)
    server_of = parser.add_mutually_exclusive_group(required=True)
    server_of.add_argument("--serving-env", type=Path, help="start the Triton of this environment")
    server_of.add_argument("--triton", default="", help="drive the Triton at this address")
    parser.add_argument("--repository", type=Path, help="the model repository of the Triton at that address")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    _lock = FileLock.inherited()
    # Blocked before any thread exists, and in all of them: only `wait_for_signal` receives these.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    folder = EndpointFolder(options.home, options.stage, options.repository)
    server: StageServer
    if options.triton:
        triton = ExternalTriton(url=options.triton, repository=options.repository)
        server = ExternalServer(folder, triton, options.stage)
    else:
        server = SupervisedServer(folder, options.serving_env, options.stage)
    home = Home(options.home)
    append = _append_to(home)
    guard = EndpointGuard(folder, options.stage, append, _utc_now)
    sampler = EndpointSampler(options.stage, server, _keep_in(home), _utc_now)
    expiry = EndpointExpiry(folder, options.stage, append, _utc_now)
    EndpointSupervisor(folder, server, guard, sampler, expiry, wait_for_signal).run()


def wait_for_signal(seconds: float) -> bool:
    """Sleep until a signal or for `seconds`; True when the signal asks this process to end, not when a child ended."""
    received = signal.sigtimedwait(_SIGNALS, seconds)
    return received is not None and received.si_signo != signal.SIGCHLD


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _append_to(home: Home) -> Callable[[AuditEvent], None]:
    def append(event: AuditEvent) -> None:
        from backend.adapters.local.audit import LocalAuditLog

        LocalAuditLog(database(home)).append(event)

    return append


def _keep_in(home: Home) -> Keep:
    def keep(stage: Stage, sample: Sample) -> None:
        from backend.adapters.local.traffic import LocalTraffic

        LocalTraffic(database(home)).keep(stage, sample)

    return keep


@cache
def database(home: Home) -> Database:
    """Opened once, and when it is first needed: until then Triton starts, and nobody waits for a database.

    Raises `StoreError`; the next call tries again.
    """
    from backend.adapters.local.database import Database

    return Database(home.database)


if __name__ == "__main__":
    main(sys.argv[1:])
