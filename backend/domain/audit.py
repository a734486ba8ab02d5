"""What was done, by whom, with what result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

WENT_WRONG: Final = ("refused", "failed", "interrupted", "Failed", "RolledBack", "Interrupted", "drifted")
"""Outcomes that somebody may want to look into."""


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One effect, appended after it took hold; a failure is an event too.

    `action` is verb first ('train', 'approve', 'promote'); `subject` names what it was done to ('job fast-...',
    'version 3', 'stage staging'); `before` and `after` say what changed. `correlation` is the id of the request that
    caused it, the same in the log and in the deployment's record; empty for events older than it.
    """

    at: datetime
    actor: str
    action: str
    subject: str
    outcome: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    correlation: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """Which events are asked for; what is empty or None leaves all.

    `since` is included, `until` is not. `subject` and `text` are parts of what they look in, in any case: `text` in
    actor, subject, correlation id and what changed.
    """

    actors: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    correlation: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditWords:
    """Every actor, action and outcome that occurs, in order: what a filter can offer."""

    actors: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()


def changes(event: AuditEvent) -> Mapping[str, tuple[Any, Any]]:
    """What the event changed, by name: the value before (None where there was none) and after.

    A name that is in `before` alone keeps its value; one with equal values is left out.
    """
    names = [*event.before, *(name for name in event.after if name not in event.before)]
    pairs = {name: (event.before.get(name), event.after.get(name, event.before.get(name))) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
