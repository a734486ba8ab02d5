from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.domain.lifetimes import MOST_HOURS, NO_LIMIT, Lifetime, extended
from backend.errors import InvalidInputError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_an_extension_adds_to_what_is_left_or_begins_now() -> None:
    assert extended(NO_LIMIT, 2, NOON).until == NOON + 2 * HOUR
    assert extended(Lifetime(until=NOON + HOUR), 2, NOON).until == NOON + 3 * HOUR
    assert extended(Lifetime(until=NOON - HOUR), 2, NOON).until == NOON + 2 * HOUR
    assert extended(Lifetime(until=NOON + 719 * HOUR), 5, NOON).until == NOON + MOST_HOURS * HOUR


@pytest.mark.parametrize("hours", [0, -1, MOST_HOURS + 1, float("nan"), float("inf")])
def test_what_is_no_extension_is_refused(hours: float) -> None:
    with pytest.raises(InvalidInputError, match="cannot be extended"):
        extended(NO_LIMIT, hours, NOON)


def test_a_stage_is_due_from_its_very_moment_on() -> None:
    assert Lifetime(until=NOON).is_due(NOON)
    assert not Lifetime(until=NOON + HOUR).is_due(NOON)
    assert not NO_LIMIT.is_due(NOON)
