"""Runs' charts before they are drawn: axes, groups, what is marked, and the bytes that the browser reads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from app.components.run_charts import Owner, encode, parse_range
from app.run_figures import RELATIVE, WALL, Drawing, Series, charts

STEPS = np.arange(4.0)


def series(name: str, group: str = "", *, start: float = 1e9, **metrics: list[float]) -> Series:
    return Series(
        owner=Owner(key=name, name=name, colour=0),
        metrics={
            metric: (STEPS[: len(values)], np.array(values, dtype=np.float64)) for metric, values in metrics.items()
        },
        times=(STEPS, start + 10 * STEPS),
        group=group,
    )


def decoded(content: bytes) -> tuple[dict[str, Any], np.ndarray]:
    length = int.from_bytes(content[:4], "little")
    return json.loads(content[4 : 4 + length]), np.frombuffer(content[4 + length :], np.float32)


class TestAxes:
    def test_relative_time_begins_at_zero_for_each_run(self) -> None:
        found = charts(
            [series("a", loss=[3, 2]), series("b", start=5e9, loss=[3, 2])], Drawing(metrics=["loss"], x=RELATIVE)
        )
        assert [list(line.x) for line in found.panels[0].lines] == [[0, 10], [0, 10]]
        assert found.x_kind == "duration"

    def test_wall_time_keeps_its_seconds_in_float32(self) -> None:
        """1.7e9 seconds have 128 of them in one float32: the browser gets the distance from the first."""
        runs = [series("a", start=1_764_000_000.0, loss=[3, 2]), series("b", start=1_764_000_001.0, loss=[3, 2])]
        found = charts(runs, Drawing(metrics=["loss"], x=WALL))
        head, numbers = decoded(encode(found))
        assert head["x"]["origin"] == 1_764_000_000
        assert list(numbers[:2]) == [0, 10]
        assert numbers[4] == 1

    def test_a_metric_as_axis_is_sorted_and_a_run_without_it_left_out(self) -> None:
        runs = [series("a", loss=[3, 2, 1], lr=[0.3, 0.1, 0.2]), series("b", loss=[1, 1])]
        (panel,) = charts(runs, Drawing(metrics=["loss"], x="lr")).panels
        (line,) = panel.lines
        assert (list(line.x), list(line.y)) == ([0.1, 0.2, 0.3], [2, 1, 3])
        assert "1 have no values" in panel.alt

    def test_a_range_cuts_the_lines_and_leaves_the_best_point(self) -> None:
        found = charts(
            [series("a", loss=[1, 9, 8, 7])],
            Drawing(metrics=["loss"], range=(2, 3), smaller_is_better=frozenset({"loss"})),
        )
        assert list(found.panels[0].lines[0].x) == [1, 2, 3]
        assert found.panels[0].best == [(0, 0.0, 1.0)]
        assert found.cut


class TestLines:
    def test_the_raw_line_lies_under_the_smoothed_one(self) -> None:
        (panel,) = charts([series("a", loss=[4, 0, 4, 0])], Drawing(metrics=["loss"], smoothing=0.5)).panels
        assert [line.kind for line in panel.lines] == ["raw", "line"]
        assert list(panel.lines[0].y) == [4, 0, 4, 0]
        assert 0 < panel.lines[1].y[-1] < 4

    def test_of_many_runs_there_is_no_cloud_of_raw_lines(self) -> None:
        runs = [series(f"r{n}", loss=[4, 0]) for n in range(51)]
        (panel,) = charts(runs, Drawing(metrics=["loss"], smoothing=0.5)).panels
        assert {line.kind for line in panel.lines} == {"line"}

    @pytest.mark.parametrize(("smaller", "place", "word"), [(True, 2.0, "lowest 1"), (False, 0.0, "highest 3")])
    def test_the_best_is_marked_by_what_is_good(self, smaller: bool, place: float, word: str) -> None:
        how = Drawing(metrics=["m"], smaller_is_better=frozenset({"m"} if smaller else ()))
        (panel,) = charts([series("a", m=[3, 2, 1])], how).panels
        assert panel.best[0][1] == place
        assert word in panel.note

    def test_of_many_only_the_best_of_all_is_marked(self) -> None:
        runs = [series(f"r{n}", acc=[0.1, n / 100]) for n in range(13)]
        (panel,) = charts(runs, Drawing(metrics=["acc"])).panels
        assert panel.best == [(12, 1.0, 0.12)]
        assert panel.note == "highest 0.12, r12"

    def test_what_somebody_set_has_no_best(self) -> None:
        (panel,) = charts([series("a", lr=[0.3, 0.1])], Drawing(metrics=["lr"])).panels
        assert (panel.best, panel.note) == ((), "")

    def test_a_metric_that_no_run_has_is_an_empty_panel(self) -> None:
        (panel,) = charts([series("a", loss=[1])], Drawing(metrics=["absent"])).panels
        assert (panel.lines, panel.note) == ([], "no values")

    def test_nan_that_was_logged_is_told(self) -> None:
        run = Series(
            owner=Owner(key="a", name="a", colour=0),
            metrics={"loss": (STEPS[:2], np.array([2.0, 1.0]))},
            times=(STEPS, STEPS),
            not_numbers={"loss": 3},
        )
        assert "logged NaN" in charts([run], Drawing(metrics=["loss"])).panels[0].note

    def test_many_points_are_thinned_to_what_a_screen_shows_and_spikes_stay(self) -> None:
        steps = np.arange(50_000.0)
        values = np.zeros(50_000)
        values[31_415] = 7
        runs = [
            Series(owner=Owner(key=str(n), name=str(n), colour=n), metrics={"m": (steps, values)}, times=(steps, steps))
            for n in range(200)
        ]
        (panel,) = charts(runs, Drawing(metrics=["m"])).panels
        assert sum(len(line.x) for line in panel.lines) < 320_000
        assert all(7 in line.y for line in panel.lines)


class TestGroups:
    def test_mean_and_band_of_each_group(self) -> None:
        runs = [series("a", "x", acc=[0, 2]), series("b", "x", acc=[2, 4]), series("c", "y", acc=[9, 9])]
        found = charts(runs, Drawing(metrics=["acc"], grouped=True, band="range"))
        assert [owner.name for owner in found.owners] == ["x (2)", "y (1)"]
        band, mean, alone = found.panels[0].lines
        assert (band.kind, list(band.y), list(band.high)) == ("band", [0, 2], [2, 4])
        assert list(mean.y) == [1, 3]
        assert (alone.kind, alone.owner, list(alone.y)) == ("line", 1, [9, 9])

    def test_zooming_does_not_change_an_average(self) -> None:
        runs = [series("a", "x", acc=[0, 2, 4, 6]), series("b", "x", acc=[0, 0, 0, 0])]
        whole = charts(runs, Drawing(metrics=["acc"], grouped=True)).panels[0].lines[-1]
        part = charts(runs, Drawing(metrics=["acc"], grouped=True, range=(2, 3))).panels[0].lines[-1]
        assert list(part.y) == list(whole.y[1:])


class TestBytes:
    def test_the_header_says_where_each_line_lies(self) -> None:
        runs = [series("a", "x", acc=[0, 2]), series("b", "x", acc=[2, 4])]
        head, numbers = decoded(encode(charts(runs, Drawing(metrics=["acc"], grouped=True, band="range"))))
        (_, kind, start, n), _ = head["panels"][0]["lines"]
        assert (kind, start, n) == (2, 0, 2)
        assert numbers[:6].tolist() == [0, 1, 0, 2, 2, 4]

    def test_numbers_begin_where_float32_may(self) -> None:
        for length in range(8):
            content = encode(charts([series("r" * length, loss=[1, 2])], Drawing(metrics=["loss"])))
            assert int.from_bytes(content[:4], "little") % 4 == 0
            assert content[4:17] == b'{"revision":"'

    def test_the_same_is_the_same_revision_and_anything_else_another(self) -> None:
        def revision(name: str, *values: float) -> str:
            head, _ = decoded(encode(charts([series(name, loss=list(values))], Drawing(metrics=["loss"]))))
            return str(head["revision"])

        assert revision("a", 1, 2) == revision("a", 1, 2)
        assert len({revision("a", 1, 2), revision("a", 1, 3), revision("b", 1, 2)}) == 3

    def test_names_are_text_whatever_they_hold(self) -> None:
        head, _ = decoded(encode(charts([series('<b>"x"</b>', loss=[1, 2])], Drawing(metrics=["loss"]))))
        assert head["runs"][0]["name"] == '<b>"x"</b>'


@pytest.mark.parametrize("sent", [None, [], [1], ["a", "b"], [2, 1], [1, 1], [float("nan"), 1], {"a": 1}, [1, 2, 3]])
def test_what_is_no_range_is_none(sent: object) -> None:
    assert parse_range(sent) is None


def test_a_range_is_two_numbers() -> None:
    assert parse_range([1, 2.5]) == (1.0, 2.5)
