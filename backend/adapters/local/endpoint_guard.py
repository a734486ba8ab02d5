"""The guard of one stage: records when something else than the wanted began to answer, and when that was over.

It runs in the stage's runner, with no browser open, and changes nothing: what was loaded past the deployments is
somebody's doing, and a person decides whether to restore what was wanted or to accept what is there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from backend.adapters.local.endpoint_folder import EndpointFolder, take_lock
from backend.adapters.local.endpoint_look import look
from backend.adapters.local.processes import LockHeldError
from backend.adapters.triton.client import TritonClient
from backend.domain.audit import AuditEvent
from backend.domain.correlation import correlated
from backend.domain.drift import DRIFTED, GUARD, IN_STEP, Difference, told
from backend.domain.serving import ServedModel, Stage
from backend.errors import DigitsError
from backend.ports.clock import Clock

log = logging.getLogger("endpoint")

Append = Callable[[AuditEvent], None]


class EndpointGuard:
    """`append` adds to the audit log; it may raise `DigitsError`, and the event is tried again with the next look."""

    def __init__(self, folder: EndpointFolder, stage: Stage, append: Append, clock: Clock) -> None:
        self._folder = folder
        self._stage = stage
        self._append = append
        self._clock = clock

    def note(self, drift: Sequence[Difference], client: TritonClient) -> None:
        """Record `drift`, as it was just seen, if it is news.

        Raises `OSError` when the stage's folder cannot be written.
        """
        if told(drift) == self._folder.drifting():
            return
        try:
            lock = take_lock(self._folder.load_lock, shared=True)
        except LockHeldError:
            return  # a deployment is at work; what it leaves is looked at on the next beat
        with lock:
            try:
                self._note(client)
            except DigitsError as error:
                log.warning("the guard cannot note what it saw: %s", error.message)

    def _note(self, client: TritonClient) -> None:
        """Under the lock nobody of ours changes anything between this look and its record."""
        wanted = self._folder.wanted()
        if wanted is None:
            return
        seen = look(self._folder, wanted, client)
        now, before = told(seen.drift), self._folder.drifting()
        if now == before or not seen.loaded:
            return
        with correlated() as correlation:
            self._append(
                AuditEvent(
                    at=self._clock(),
                    actor=GUARD,
                    action="drift",
                    subject=f"stage {self._stage.value}",
                    outcome=DRIFTED if now else IN_STEP,
                    before=_model(wanted.model),
                    after={**_model(seen.served), "differences": now} if now else _model(seen.served),
                    correlation=correlation,
                )
            )
            log.warning("[%s] drift: %s", correlation, now or "gone")
        self._folder.note_drift(now)


def _model(model: ServedModel | None) -> dict[str, str | int | None]:
    return {"version": model.version if model else None, "sha256": model.sha256 if model else None}
