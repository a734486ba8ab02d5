"""Where platforms differ: a feature that one lacks is declared with the reason, and pages and errors show that reason.

Nobody asks a platform for its name: a page asks whether the feature is there, a port refuses what it has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from backend.errors import RefusedError


class Feature(Enum):
    """What one platform may have and another not; the value completes "The platform cannot ..."."""

    QUEUE = "let jobs wait for each other"
    COMPUTE = "choose instances, spot capacity and time limits"
    DISTINCT_TRIALS = "promise that no combination is tried twice"
    FINISH_RUNNING_TRIALS = "stop a search after its running trials"
    RESUME_TRIALS = "go on with interrupted trials from their checkpoints"
    GIVE_UP_EARLY = "give a search up when its first trials all fail"
    PARTIAL_GRID = "try only some combinations of a grid"
    SUSPEND = "stop what serves and keep it wanted"
    END_WITH_MACHINE = "have its jobs stopped together with this machine"
    TAKE_DOWN = "take a stage down by itself when its time is over"
    SCALE = "change how many instances serve"
    ALARMS = "watch a new version with alarms"
    NAMED_ENDPOINTS = "serve a pull request beside a stage"


Unsupported = Mapping[Feature, str]
"""The features that a platform lacks, each with the reason: a sentence for the operator."""


def require(feature: Feature, unsupported: Unsupported) -> None:
    """Raise `RefusedError` with the reason when the feature is not there."""
    if feature in unsupported:
        raise RefusedError(f"This platform cannot {feature.value}.", hint=unsupported[feature])
