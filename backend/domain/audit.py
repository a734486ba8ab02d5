"""What was done, by whom, with what result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One effect, appended after it took hold; a failure is an event too.

    `action` is verb first ('train', 'approve', 'promote'); `subject` names what it was done to ('job fast-...',
    'version 3', 'stage staging'); `before` and `after` say what changed.
    """

    at: datetime
    actor: str
    action: str
    subject: str
    outcome: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
