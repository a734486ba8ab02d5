from __future__ import annotations

import pytest

from backend.domain.gates import ASK_STAGING, LIMITS, GateName, GateResult, GateStatus, Override, blocking
from backend.errors import InvalidInputError


def test_what_failed_and_what_nobody_looked_at_stands_in_the_way() -> None:
    results = [GateResult(name=status.value, status=status, reason="because") for status in GateStatus]
    assert [result.status for result in blocking(results)] == [GateStatus.FAILED, GateStatus.MISSING_EVIDENCE]
    assert blocking([]) == ()


@pytest.mark.parametrize("reason", ["", "ok", "         x         ", "123456789", "x" * 501])
def test_an_override_explains_itself(reason: str) -> None:
    with pytest.raises(InvalidInputError, match="expected 10 to 500"):
        Override(by="ada", reason=reason)


def test_ten_characters_are_a_reason() -> None:
    assert Override(by="ada", reason="1234567890").reason == "1234567890"


def test_every_gate_says_what_it_takes() -> None:
    assert set(LIMITS) == set(GateName)
    assert set(LIMITS) > ASK_STAGING
    assert all(limit.low < limit.high for limits in LIMITS.values() for limit in limits.values())
