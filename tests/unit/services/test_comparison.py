"""Versions that say what a test wants them to say about images that it chose."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.domain.predictions import DataKind
from backend.domain.statistics import Finding
from backend.errors import DifferentDataError, InvalidInputError, NotFoundError
from tests.fakes.backend import World, make_world
from tests.fakes.predictions import add_versions, says
from tests.fakes.serving import FakeServing


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Five versions, never run."""
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    add_versions(world, 5, tmp_path)
    return world


def test_each_is_held_against_the_base_on_the_same_images(world: World) -> None:
    says(world, 1, range(40))
    says(world, 2, range(20, 40))
    says(world, 3, {*range(40), *range(100, 130)})
    found = world.backend.comparing.compare(1, [3, 2])
    assert [entry.name for entry in found.contenders] == ["v1", "v3", "v2"]
    worse, better = (entry.verdict for entry in found.others)
    assert worse is not None
    assert better is not None
    assert (better.finding, better.pair.fixed, better.pair.broken) == (Finding.BETTER, 20, 0)
    assert (worse.finding, worse.pair.fixed, worse.pair.broken) == (Finding.WORSE, 0, 30)
    assert better.comparisons == 2
    assert found.base.verdict is None
    assert found.others[1].flips is not None
    assert found.others[1].flips.fixed == tuple(range(20))


def test_a_version_that_was_never_run_on_the_data_is_missing_and_not_compared(world: World) -> None:
    data = says(world, 1, range(40))
    says(world, 2, range(5), seed=1)
    found = world.backend.comparing.compare(1, [2, 3])
    assert found.missing == (2, 3)
    assert [entry.verdict for entry in found.others] == [None, None]
    with pytest.raises(DifferentDataError, match="version 2 and version 3 never ran on 'set-0'") as error:
        world.backend.comparing.require(1, [2, 3], kind=DataKind.TEST, margin=0.002)
    assert error.value.hint == f"python -m backend evaluate 2 3 --data {data}"


def test_of_what_the_base_was_run_on_what_most_share_is_taken(world: World) -> None:
    shared = says(world, 1, range(9))
    says(world, 1, range(9), seed=1, after=60)
    for number in (2, 3):
        says(world, number, range(9))
    says(world, 4, range(9), seed=1)
    found = world.backend.comparing.compare(1, [2, 3, 4])
    assert found.data is not None
    assert found.data.data_sha256 == shared
    assert found.missing == (4,)
    assert world.backend.comparing.compare(1, [4]).missing == ()


def test_versions_that_were_never_run_share_nothing(world: World) -> None:
    found = world.backend.comparing.compare(1, [2])
    assert (found.data, found.missing) == (None, (1, 2))
    with pytest.raises(DifferentDataError, match="never ran on any test data"):
        world.backend.comparing.require(1, [2], kind=DataKind.TEST, margin=0.002)


def test_when_only_the_base_was_never_run_the_others_say_on_what_it_should_be(world: World) -> None:
    data = says(world, 2, range(3))
    found = world.backend.comparing.compare(1, [2])
    assert found.data is not None
    assert (found.data.data_sha256, found.missing) == (data, (1,))


def test_drawings_are_compared_with_drawings(world: World) -> None:
    for number, wrong in ((1, range(40)), (2, range(0))):
        says(world, number, wrong, kind=DataKind.FREEHAND)
    assert world.backend.comparing.compare(1, [2]).data is None
    found = world.backend.comparing.compare(1, [2], kind=DataKind.FREEHAND)
    assert found.others[0].verdict is not None
    assert found.others[0].verdict.finding is Finding.BETTER


def test_a_wider_margin_lets_versions_be_as_good(world: World) -> None:
    says(world, 1, range(6))
    says(world, 2, range(3, 10))
    findings = [
        world.backend.comparing.compare(1, [2], margin=margin).others[0].verdict.finding  # type: ignore[union-attr]
        for margin in (0.002, 0.02)
    ]
    assert findings == [Finding.CANNOT_TELL, Finding.AS_GOOD]


def test_two_to_twenty_different_versions_are_compared(world: World) -> None:
    for base, others in ((1, []), (1, [1]), (1, [2, 2]), (1, list(range(2, 23)))):
        with pytest.raises(InvalidInputError, match="expected 2 to 20 different ones"):
            world.backend.comparing.compare(base, others)
    with pytest.raises(NotFoundError, match="No model version 9"):
        world.backend.comparing.compare(1, [9])
