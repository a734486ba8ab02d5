from __future__ import annotations

import json
import time

import numpy as np
import pytest

from backend.digits.strokes import CANVAS, Stroke, parse_strokes, rasterise, to_json
from tests.fakes.freehand import strokes_of


def test_a_drawing_survives_json() -> None:
    drawn = strokes_of(4)

    assert parse_strokes(json.loads(json.dumps(to_json(drawn)))) == drawn


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (None, "A drawing is a list of strokes; got NoneType"),
        ({"width": 20, "points": [[1, 2]]}, "got dict"),
        (["line"], "Stroke 1 has no 'width' and 'points'"),
        ([{"width": 20, "points": []}], "Stroke 1 has no points"),
        ([{"width": 20, "points": [[1, 2]]}, {"width": 0, "points": [[1, 2]]}], "Stroke 2 has the width '0'"),
        ([{"width": 1e6, "points": [[1, 2]]}], "has the width"),
        ([{"width": True, "points": [[1, 2]]}], "has the width 'True'"),
        ([{"width": float("nan"), "points": [[1, 2]]}], "has the width 'nan'"),
        ([{"width": 10**400, "points": [[1, 2]]}], "has the width"),
        ([{"width": 20, "points": [[1, float("inf")]]}], "expected two finite numbers"),
        ([{"width": 20, "points": [[1, "2"]]}], "expected two finite numbers"),
        ([{"width": 20, "points": [[1, 2, 3]]}], "expected two finite numbers"),
        ([{"width": 20, "points": [[1, 1e9]]}], "expected two finite numbers"),
        ([{"width": 20, "points": [[1, 2]]}] * 2_001, "at most 2000"),
        ([{"width": 20, "points": [[1, 2]] * 10_001}] * 2, "more than 20000 points, at stroke 2"),
    ],
)
def test_what_is_no_drawing_is_refused_with_the_reason(raw: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_strokes(raw)


def test_a_point_is_a_round_dot_of_the_pens_width() -> None:
    picture = rasterise([Stroke(width=40, points=((100, 140),))])

    assert picture.shape == (CANVAS, CANVAS)
    assert picture.dtype == np.uint8
    assert picture[140, 100] == 255
    assert picture.sum() / 255 == pytest.approx(np.pi * 20**2, rel=0.03)
    rows, columns = picture.nonzero()
    assert (columns.min(), columns.max()) == pytest.approx((80, 120), abs=1)
    assert (rows.min(), rows.max()) == pytest.approx((120, 160), abs=1)


def test_lines_have_round_ends_and_anti_aliased_edges() -> None:
    picture = rasterise([Stroke(width=20, points=((60, 140), (220, 140)))])

    assert picture.sum() / 255 == pytest.approx(160 * 20 + np.pi * 10**2, rel=0.03)
    assert picture[131:149, 140].min() == 255
    assert len(np.unique(picture)) > 8


def test_a_sharp_corner_has_no_gap() -> None:
    picture = rasterise([Stroke(width=30, points=((60, 60), (200, 140), (60, 220)))])

    assert picture[140, 212] == 255


def test_the_size_of_the_picture_is_chosen_by_the_caller() -> None:
    small, large = rasterise(strokes_of(8), 140), rasterise(strokes_of(8), 280)

    assert small.shape == (140, 140)
    assert small.mean() == pytest.approx(large.mean(), rel=0.02)


def test_ink_outside_the_canvas_is_cut_off() -> None:
    assert rasterise([Stroke(width=20, points=((-500, -500), (-400, 900)))]).max() == 0


def test_a_usual_digit_is_drawn_within_milliseconds() -> None:
    drawn = strokes_of(8)
    rasterise(drawn)

    fastest = min(_seconds(lambda: rasterise(drawn)) for _ in range(10))

    assert fastest < 0.005


def _seconds(work: object) -> float:
    began = time.perf_counter()
    assert callable(work)
    work()
    return time.perf_counter() - began
