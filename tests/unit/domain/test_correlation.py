from __future__ import annotations

import pytest

from backend.domain.correlation import correlated, current


def test_a_block_has_one_id_and_the_blocks_within_it_share_it() -> None:
    assert current() == ""
    with correlated() as outer:
        with correlated("given") as inner:
            assert outer == inner == current()
        assert len(outer) == 8
    assert current() == ""
    with correlated() as other:
        assert other != outer


def test_an_id_may_be_given() -> None:
    with correlated("gha-1234.5_x") as reference:
        assert reference == "gha-1234.5_x"


@pytest.mark.parametrize("given", ["", "a b", "a\nb", "x" * 41, "<b>"])
def test_what_cannot_be_an_id_is_replaced(given: str) -> None:
    with correlated(given) as reference:
        assert reference != given
        assert len(reference) == 8


def test_the_id_is_gone_after_a_failure() -> None:
    with pytest.raises(ValueError, match="x"), correlated():
        raise ValueError("x")
    assert current() == ""
