"""Every effect leaves one event, whether it succeeded or failed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from backend.domain.audit import WENT_WRONG, AuditEvent
from backend.domain.correlation import correlated
from backend.domain.identity import Actor, Role
from backend.errors import DigitsError
from backend.ports.audit import AuditLog
from backend.ports.clock import Clock

log = logging.getLogger("digits.audit")


class Effect:
    """What the block has to say about the effect it makes; anything unsaid stays as it was given to `audited`."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.outcome = "done"
        self.before: Mapping[str, Any] = {}
        self.after: Mapping[str, Any] = {}


class Auditor:
    def __init__(self, log: AuditLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def require(self, actor: Actor, needed: Role, to: str, *, action: str, subject: str) -> None:
        """As `Actor.require`; a refusal is an event, too: who looks for misuse asks what was tried.

        For checks before the block of `audited`, which keeps what is raised within it.
        """
        if not actor.may(needed):
            with self.audited(actor, action, subject):
                actor.require(needed, to)

    @contextmanager
    def audited(self, actor: Actor, action: str, subject: str) -> Iterator[Effect]:
        """Append the event when the block ends: as the block left it, or with the error's class and message.

        Within the block there is a correlation id, which the event, the log and what the block records share.
        """
        effect = Effect(subject)
        with correlated() as correlation:
            try:
                yield effect
            except DigitsError as error:
                effect.outcome = "refused" if error.exit_code == 4 else "failed"
                effect.after = {**effect.after, "error": f"{type(error).__name__}: {error.message}"}
                raise
            except BaseException as error:
                effect.outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                effect.after = {**effect.after, "error": type(error).__name__}
                raise
            finally:
                self._append(
                    AuditEvent(
                        at=self._clock(),
                        actor=actor.name,
                        action=action,
                        subject=effect.subject,
                        outcome=effect.outcome,
                        before=effect.before,
                        after=effect.after,
                        correlation=correlation,
                    )
                )

    def _append(self, event: AuditEvent) -> None:
        level = logging.WARNING if event.outcome in WENT_WRONG else logging.INFO
        log.log(level, "%s: %s %s: %s", event.actor, event.action, event.subject, event.outcome)
        self._log.append(event)
