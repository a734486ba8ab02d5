"""Takes a stage down when its time to live is over, in its runner: with no browser open, audited as its own effect."""

from __future__ import annotations

import logging
from collections.abc import Callable

from backend.adapters.local.endpoint_folder import EndpointFolder, take_lock
from backend.adapters.local.processes import FileLock, LockHeldError
from backend.domain.audit import AuditEvent
from backend.domain.correlation import correlated
from backend.domain.lifetimes import EXPIRED, KEEPER, Lifetime
from backend.domain.serving import Stage
from backend.errors import DigitsError
from backend.ports.clock import Clock

log = logging.getLogger("endpoint")

Append = Callable[[AuditEvent], None]


class EndpointExpiry:
    """`append` adds to the audit log; while it raises `DigitsError`, the stage serves on: no effect goes unrecorded."""

    def __init__(self, folder: EndpointFolder, stage: Stage, append: Append, clock: Clock) -> None:
        self._folder = folder
        self._stage = stage
        self._append = append
        self._clock = clock
        self._lock: FileLock | None = None

    def take_down_when_due(self) -> bool:
        """True once nothing is wanted any more because its time was over: the runner then ends.

        The stage stays held as long as this process lives: a deployment meanwhile would get a server that is ending.
        Waits for a deployment under way. Raises `StoreError` when the stage's files are damaged.
        """
        lifetime = self._folder.lifetime()
        if not lifetime.is_due(self._clock()) or self._folder.wanted() is None:
            return False
        try:
            lock = take_lock(self._folder.deploy_lock)
        except LockHeldError:
            return False
        try:
            self._folder.deploy_lock.write_text(KEEPER, encoding="utf-8")
            if self._take_down():
                self._lock = lock
        finally:
            if self._lock is None:
                lock.release()
        return self._lock is not None

    def _take_down(self) -> bool:
        """Looks again, now that nobody of ours changes anything: somebody may just have extended it."""
        lifetime, wanted, now = self._folder.lifetime(), self._folder.wanted(), self._clock()
        if wanted is None or lifetime.until is None or not lifetime.is_due(now):
            return False
        try:
            with correlated() as correlation:
                self._append(
                    AuditEvent(
                        at=now,
                        actor=KEEPER,
                        action=EXPIRED,
                        subject=f"stage {self._stage.value}",
                        outcome="done",
                        before={"version": wanted.model.version, "until": lifetime.until.isoformat()},
                        after={"version": None},
                        correlation=correlation,
                    )
                )
        except DigitsError as error:
            log.warning("its time is over, and it serves on until that can be recorded: %s", error.message)
            return False
        self._folder.want_nothing()
        self._folder.keep_lifetime(Lifetime(taken_down_at=now))
        log.info("[%s] its time was over at %s", correlation, lifetime.until)
        return True
