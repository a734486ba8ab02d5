"""The list of a project's runs on a W&B server: kept, renewed by a thread of its own, and never waited for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from backend.adapters.wandb.cloud_parse import parse_time
from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import Asked, CloudTroubleError, explained, pause
from backend.errors import DigitsError
from backend.ports.clock import Clock

Documents = Mapping[str, Mapping[str, Any]]

FRESH: Final = timedelta(seconds=15)
"""How old an answer may be before the server is asked again, while somebody looks."""
WHOLE: Final = timedelta(minutes=5)
"""How often all runs are read: names, tags and notes that people edit on the server change no run's heartbeat."""
MOST_KEPT: Final = 2_000
_OVERLAP: Final = timedelta(seconds=5)
_SECONDS: Final = 60.0
_NOT_UNDERSTOOD: Final = 400


@dataclass(frozen=True, kw_only=True)
class Known:
    """The last good answer: documents by run id. `total` is how many runs the server has."""

    entity: str
    total: int
    runs: Documents
    as_of: datetime
    whole_at: datetime


@dataclass(frozen=True, kw_only=True)
class Look:
    """How it stands. `failures` counts those since the last good answer; `asked_at` is when the last look began."""

    known: Known | None = None
    error: DigitsError | None = None
    failures: int = 0
    refreshing: bool = False
    next_at: datetime = field(default=datetime.min.replace(tzinfo=UTC))


class CloudListing:
    """Of one project. The last good answer is kept in `folder` too, for a dashboard that starts without a server."""

    def __init__(self, process: CloudProcess, asked: Asked, folder: Path, clock: Clock) -> None:
        self._process = process
        self._asked = asked
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        named = f"{asked.base_url} {asked.path}".encode()
        self._file = folder / f"runs-{hashlib.sha256(named).hexdigest()[:12]}.json"
        self._by_heartbeat = True
        self._look = Look(known=_read(self._file))

    def now(self) -> Look:
        """What is known, at once; begins a new look where it is time for one."""
        with self._lock:
            if not self._look.refreshing and self._clock() >= self._look.next_at:
                self._begin(whole=False)
            return self._look

    def refresh(self) -> None:
        """Begin a new look, at all runs, unless one is under way."""
        with self._lock:
            if not self._look.refreshing:
                self._begin(whole=True)

    def asked(self) -> Asked:
        """With what is known by now."""
        known = self._look.known
        return replace(self._asked, accepted_at=known.as_of if known else None)

    def _begin(self, *, whole: bool) -> None:
        self._look = replace(self._look, refreshing=True)
        threading.Thread(target=self._ask, args=(whole,), name="wandb-listing", daemon=True).start()

    def _ask(self, whole: bool) -> None:
        before = self._look.known
        try:
            known = self._changed(before) if before is not None and not whole else None
            known = known or self._all()
        except CloudTroubleError as trouble:
            error, failures = explained(trouble.trouble, self.asked()), self._look.failures + 1
            again = self._clock() + timedelta(seconds=pause(trouble.trouble, failures))
            look = Look(known=before, error=error, failures=failures, next_at=again)
        else:
            look = Look(known=known, next_at=known.as_of + FRESH)
            if before is None or known.runs != before.runs:
                _write(self._file, known)
        with self._lock:
            self._look = look

    def _all(self) -> Known:
        begun = self._clock()
        answer = self._process.ask("runs", seconds=_SECONDS, limit=MOST_KEPT, filters={}, **self._where())
        runs = {run["id"]: run for run in answer["runs"]}
        return Known(entity=answer["entity"], total=answer["total"], runs=runs, as_of=begun, whole_at=begun)

    def _changed(self, before: Known) -> Known | None:
        """With what changed since, which for a quiet project is one small request; None when all must be read."""
        begun = self._clock()
        newest = max((run["heartbeat_at"] or "" for run in before.runs.values()), default="")
        since = parse_time(newest)
        if not self._by_heartbeat or since is None or begun - before.whole_at >= WHOLE:
            return None
        overlap = (since - _OVERLAP).strftime("%Y-%m-%dT%H:%M:%S")
        try:
            answer = self._process.ask(
                "changes", seconds=_SECONDS, since=overlap, limit=MOST_KEPT, filters={}, **self._where()
            )
        except CloudTroubleError as error:
            if error.trouble.status != _NOT_UNDERSTOOD:
                raise
            self._by_heartbeat = False  # an older server cannot order by it
            return None
        return merged(before, answer["runs"], answer["total"], begun)

    def _where(self) -> dict[str, str]:
        return {"entity": self._asked.entity, "project": self._asked.project}


def merged(before: Known, changed: Sequence[Mapping[str, Any]], total: int, at: datetime) -> Known | None:
    """What was known with what has changed; None when the numbers do not add up: runs were deleted, or moved here."""
    new = [run for run in changed if run["id"] not in before.runs]
    if before.total + len(new) != total:
        return None
    runs = {**before.runs, **{run["id"]: run for run in changed}}
    newest = sorted(runs, key=lambda run_id: str(runs[run_id]["created_at"]), reverse=True)[:MOST_KEPT]
    return replace(before, runs={run_id: runs[run_id] for run_id in newest}, total=total, as_of=at)


def _read(file: Path) -> Known | None:
    try:
        told = json.loads(file.read_text())
        at = datetime.fromisoformat(told["as_of"])
        runs = {run["id"]: run for run in told["runs"]}
        return Known(entity=told["entity"], total=told["total"], runs=runs, as_of=at, whole_at=at)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # there is none yet, or it is another version's: the server is asked anyway


def _write(file: Path, known: Known) -> None:
    told = {
        "as_of": known.as_of.isoformat(),
        "entity": known.entity,
        "total": known.total,
        "runs": list(known.runs.values()),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(f".{threading.get_ident()}.part")
    aside.write_text(json.dumps(told))
    aside.rename(file)
