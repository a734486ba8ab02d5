"""Sets of labelled drawings on every platform: kept once, under one name, and never another."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backend.domain.example_sets import ExampleSet
from backend.errors import InvalidInputError, NotFoundError
from backend.services.labelled_drawings import LabelledDrawings, pack
from tests.contract.stores import Stores, stores
from tests.fakes.backend import NOON
from tests.unit.services.test_launching import example

__all__ = ["stores"]

FIRST, SECOND = pack([example(10, 1)]), pack([example(20, 2), example(10, 1)])


def named(name: str, drawings: LabelledDrawings, minutes: int = 0) -> ExampleSet:
    return ExampleSet(
        name=name,
        sha256=drawings.sha256,
        n=drawings.count,
        at=NOON + timedelta(minutes=minutes),
        by="ada",
        comment="why",
    )


def test_a_set_is_there_with_its_very_bytes_newest_first(stores: Stores) -> None:
    assert list(stores.example_sets.list_sets()) == []
    older, newer = named("first", FIRST), named("second", SECOND, 1)
    assert stores.example_sets.keep(older, FIRST.content) == older
    assert stores.example_sets.keep(newer, SECOND.content) == newer
    assert list(stores.example_sets.list_sets()) == [newer, older]
    assert stores.example_sets.content(FIRST.sha256) == FIRST.content


def test_the_same_drawings_are_one_set_under_their_first_name(stores: Stores) -> None:
    first = stores.example_sets.keep(named("first", FIRST), FIRST.content)
    assert stores.example_sets.keep(named("again", FIRST, 5), FIRST.content) == first
    assert list(stores.example_sets.list_sets()) == [first]


def test_a_name_is_never_given_to_other_drawings(stores: Stores) -> None:
    stores.example_sets.keep(named("first", FIRST), FIRST.content)
    with pytest.raises(
        InvalidInputError, match=rf"The name 'first' is taken: it is the set {FIRST.sha256[:12]} of 1 dra"
    ):
        stores.example_sets.keep(named("first", SECOND), SECOND.content)
    assert stores.example_sets.content(FIRST.sha256) == FIRST.content


@pytest.mark.parametrize("asked", ["../../etc/passwd", "", "a" * 64])
def test_only_a_sha256_that_is_kept_names_a_file(stores: Stores, asked: str) -> None:
    with pytest.raises(NotFoundError):
        stores.example_sets.content(asked)
