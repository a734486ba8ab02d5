"""The review of labelled drawings on Draw: hundreds of them, by label and by answer, page by page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from app.views.example_review import PAGE
from backend.domain.prediction import HardExample
from backend.domain.serving import Stage
from tests.fakes.backend import NOON, World
from tests.ui.conftest import open_page, texts
from tests.ui.test_draw_page import serving


def example(number: int) -> HardExample:
    """Labelled by its last digit; every third was answered right. A higher number is newer."""
    label = number % 10
    return HardExample(
        id=f"{number:016x}",
        label=label,
        predicted=label if number % 3 == 0 else (label + 1) % 10,
        version=1,
        stage=Stage.STAGING,
        at=NOON + timedelta(minutes=number),
        by="ada",
        pixels=bytes([number % 256, number // 256]) + bytes(782),
    )


@pytest.fixture
def many(world: World) -> World:
    serving(world)
    for number in range(60):
        world.backend.examples.add(example(number))
    return world


def shown(app: AppTest) -> list[int]:
    """The numbers of the drawings that can be removed, in the order of the page."""
    keys = [str(button.key) for button in app.button if str(button.key).startswith("forget_")]
    return [int(key.removeprefix("forget_"), 16) for key in keys]


def test_the_newest_come_first_and_all_can_be_paged_to(many: World) -> None:
    app = open_page("draw")
    assert shown(app) == list(range(59, 59 - PAGE, -1))
    assert app.button(key="examples_newer").disabled
    assert "1 to 24 of 60" in texts(app)
    for _ in range(2):
        app.button(key="examples_older").click().run()
    assert shown(app) == list(range(11, -1, -1))
    assert app.button(key="examples_older").disabled
    app.button(key=f"forget_{3:016x}").click().run()
    assert shown(app) == [number for number in range(11, -1, -1) if number != 3]
    app.button(key="hard_examples_undo").click().run()
    assert shown(app) == list(range(11, -1, -1))


def test_they_are_sought_by_label_and_by_what_was_answered(many: World) -> None:
    app = open_page("draw", examples_label="7")
    assert shown(app) == [57, 47, 37, 27, 17, 7]
    assert "4 wrong, 2 right." in texts(app)
    app = open_page("draw", examples_label="7", examples_answered="Wrong")
    assert shown(app) == [47, 37, 17, 7]


def test_another_choice_begins_at_its_first_page(many: World) -> None:
    app = open_page("draw")
    app.button(key="examples_older").click().run()
    app.get_by_key("examples_answered").set_value("Wrong").run()
    assert shown(app) == [number for number in range(59, -1, -1) if number % 3][:PAGE]


def test_the_last_page_that_is_emptied_gives_way_to_the_one_before(world: World) -> None:
    serving(world)
    for number in range(PAGE + 1):
        world.backend.examples.add(example(number))
    app = open_page("draw")
    app.button(key="examples_older").click().run()
    assert shown(app) == [0]
    app.button(key=f"forget_{0:016x}").click().run()
    assert shown(app) == list(range(PAGE, 0, -1))


def test_a_choice_that_nothing_fits_offers_all(world: World) -> None:
    serving(world)
    world.backend.examples.add(example(4))
    app = open_page("draw", examples_label="9")
    assert "There are none of these." in texts(app)
    app.button(key="examples_all").click().run()
    assert shown(app) == [4]


def test_the_file_to_carry_away_follows_what_is_kept(world: World) -> None:
    serving(world)
    world.backend.examples.add(example(4))
    before = _badge(open_page("draw"))
    world.backend.examples.add(replace(example(5), label=1))
    app = open_page("draw")
    app.button(key=f"forget_{4:016x}").click().run()
    assert before.endswith("· 1") and _badge(app).endswith("· 1")
    assert _badge(app) != before


def _badge(app: AppTest) -> str:
    """The set's short name and how many it holds."""
    (found,) = [str(e.value) for e in app.markdown if ":material/dataset: set " in str(e.value)]
    return found.partition("dataset: ")[2].rstrip("]")
