"""Sets of labelled drawings: kept once, under one name, and never another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from backend.adapters.local.database import Database
from backend.adapters.local.example_sets import LocalExampleSets
from backend.adapters.local.home import Home
from backend.adapters.local.schema import hard_example_sets
from backend.errors import NotFoundError, StoreError
from tests.contract.test_example_sets_contract import FIRST, SECOND, named


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def sets(home: Home) -> LocalExampleSets:
    return LocalExampleSets(Database(home.database), home)


def test_the_database_itself_keeps_the_row_as_it_is(sets: LocalExampleSets, home: Home) -> None:
    sets.keep(named("first", FIRST), FIRST.content)
    with (
        pytest.raises(StoreError, match="what was recorded is never changed"),
        Database(home.database).write() as connection,
    ):
        connection.execute(update(hard_example_sets).values(n=2))


def test_what_was_changed_on_the_disk_is_refused(sets: LocalExampleSets, home: Home) -> None:
    sets.keep(named("first", FIRST), FIRST.content)
    path = home.hard_examples / f"{FIRST.sha256}.npz"
    path.write_bytes(SECOND.content)
    with pytest.raises(StoreError, match=rf"holds other drawings now: their SHA-256 is {SECOND.sha256[:12]}"):
        sets.content(FIRST.sha256)
    path.write_bytes(FIRST.content[:100])
    with pytest.raises(StoreError, match="cannot be read"):
        sets.content(FIRST.sha256)
    path.unlink()
    with pytest.raises(NotFoundError, match="is not kept here"):
        sets.content(FIRST.sha256)


def test_an_npz_has_the_images_and_their_labels(sets: LocalExampleSets, home: Home) -> None:
    sets.keep(named("second", SECOND), SECOND.content)
    with np.load(home.hard_examples / f"{SECOND.sha256}.npz") as members:
        assert (members["images"].shape, members["labels"].tolist()) == ((2, 28, 28), [1, 2])
