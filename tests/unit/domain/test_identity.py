from __future__ import annotations

import pytest

from backend.domain.identity import Actor, Role
from backend.errors import PermissionDeniedError


@pytest.mark.parametrize("have", Role)
@pytest.mark.parametrize("needed", Role)
def test_each_role_may_do_what_the_lower_ones_may(have: Role, needed: Role) -> None:
    order = [Role.VIEWER, Role.OPERATOR, Role.APPROVER]
    assert Actor(name="ada", role=have).may(needed) == (order.index(have) >= order.index(needed))


def test_a_refusal_says_who_what_and_which_role_is_needed() -> None:
    with pytest.raises(PermissionDeniedError) as refused:
        Actor(name="ada", role=Role.VIEWER).require(Role.OPERATOR, "launch a training job")
    assert refused.value.message == "'ada' may not launch a training job: role is viewer, needed is operator."
