"""Curves before they are drawn: each figure against one that was worked out another way."""

from __future__ import annotations

import numpy as np
import pytest

from backend.services.curves import average, best_point, carried_to, smooth, thin, value_of, within

RNG = np.random.default_rng(0)


def plain_ema(values: list[float], weight: float) -> list[float]:
    """TensorBoard's own loop (`resmooth` in vz_line_chart2), step by step."""
    last, count, found = 0.0, 0, []
    for value in values:
        if not np.isfinite(value):
            found.append(np.nan)
            continue
        last = last * weight + (1 - weight) * value
        count += 1
        found.append(last / (1 - weight**count))
    return found


class TestSmoothing:
    @pytest.mark.parametrize("weight", [0.01, 0.3, 0.6, 0.9, 0.99, 0.999])
    def test_it_is_tensorboards_average(self, weight: float) -> None:
        values = RNG.normal(size=3_000)
        assert np.allclose(smooth(values, weight), plain_ema(list(values), weight), rtol=1e-9, atol=1e-12)

    def test_it_starts_at_the_first_value_and_not_near_zero(self) -> None:
        assert smooth(np.array([5.0, 5.0, 5.0]), 0.99) == pytest.approx([5, 5, 5])

    def test_a_gap_stays_one_and_does_not_count(self) -> None:
        values = np.array([1.0, np.nan, 3.0, np.inf, 2.0])
        assert np.allclose(smooth(values, 0.6), plain_ema(list(values), 0.6), equal_nan=True)

    def test_no_weight_changes_nothing(self) -> None:
        values = RNG.normal(size=10)
        assert smooth(values, 0.0) is values

    def test_a_weight_of_one_would_never_move(self) -> None:
        with pytest.raises(ValueError, match="weight is 1"):
            smooth(np.ones(3), 1.0)


class TestThinning:
    def test_every_extreme_both_ends_and_the_order_stay(self) -> None:
        x = np.arange(10_000.0)
        y = RNG.normal(size=10_000)
        y[4_321] = 99.0
        y[4_322] = -99.0
        kept_x, kept_y = thin(x, y, 100)
        assert len(kept_x) <= 202
        assert (kept_x[0], kept_x[-1]) == (0, 9_999)
        assert (np.diff(kept_x) > 0).all()
        assert {99.0, -99.0} <= set(kept_y)
        assert set(zip(kept_x, kept_y, strict=True)) <= set(zip(x, y, strict=True))

    def test_each_bin_keeps_its_lowest_and_highest(self) -> None:
        y = RNG.normal(size=1_000)
        _, kept = thin(np.arange(1_000.0), y, 10)
        for part in y.reshape(10, 100):
            assert {part.min(), part.max()} <= set(kept)

    def test_few_points_are_left_alone(self) -> None:
        x, y = np.arange(20.0), RNG.normal(size=20)
        assert thin(x, y, 10)[1] is y

    @pytest.mark.parametrize("n", [21, 101, 999, 1_001])
    def test_whatever_the_number_no_point_is_made_up(self, n: int) -> None:
        x, y = np.arange(float(n)), RNG.normal(size=n)
        kept_x, kept_y = thin(x, y, 10)
        assert (y[kept_x.astype(int)] == kept_y).all()
        assert (kept_x[0], kept_x[-1]) == (0, n - 1)

    def test_a_gap_stays_a_gap(self) -> None:
        y = RNG.normal(size=1_000)
        y[500:600] = np.nan
        kept_x, kept_y = thin(np.arange(1_000.0), y, 10)
        gaps = kept_x[np.isnan(kept_y)]
        assert len(gaps) >= 1
        assert ((gaps >= 500) & (gaps < 600)).all()

    def test_a_curve_of_gaps_only_stays_one(self) -> None:
        _, kept = thin(np.arange(100.0), np.full(100, np.nan), 10)
        assert np.isnan(kept).all()


class TestRanges:
    def test_a_neighbour_on_each_side_lets_the_line_reach_the_edges(self) -> None:
        x = np.arange(10.0)
        assert list(within(x, x, 3.5, 6.5)[0]) == [3, 4, 5, 6, 7]
        assert list(within(x, x, 0, 2)[0]) == [0, 1, 2, 3]

    def test_a_range_between_two_points_is_crossed(self) -> None:
        x = np.arange(10.0)
        assert list(within(x, x, 3.2, 3.8)[0]) == [3, 4]
        assert list(within(x, x, 20, 30)[0]) == []


class TestAnotherAxis:
    def test_a_value_holds_until_the_next_report(self) -> None:
        steps = np.array([0.0, 5.0, 10.0, 15.0])
        found = carried_to(steps, np.array([5.0, 9.0, 12.0]), np.array([1.0, np.nan, 2.0]))
        assert np.allclose(found, [np.nan, 1, 1, 2], equal_nan=True)

    def test_an_axis_without_values_places_nothing(self) -> None:
        assert np.isnan(carried_to(np.arange(3.0), np.arange(3.0), np.full(3, np.nan))).all()


class TestTheValueThatStandsForARun:
    steps = np.array([0.0, 10.0, 20.0, 30.0])
    values = np.array([0.5, 0.1, np.nan, 0.3])

    @pytest.mark.parametrize(
        ("how", "smaller", "expected"),
        [
            ("last", True, 0.3),
            ("first", True, 0.5),
            ("min", False, 0.1),
            ("max", True, 0.5),
            ("best", True, 0.1),
            ("best", False, 0.5),
        ],
    )
    def test_each_kind(self, how: str, smaller: bool, expected: float) -> None:
        assert value_of(self.steps, self.values, how, smaller_is_better=smaller) == expected

    @pytest.mark.parametrize(("at", "expected"), [(0, 0.5), (15, 0.1), (25, 0.1), (99, 0.3), (-1, None)])
    def test_at_a_step_or_the_last_before_it(self, at: float, expected: float | None) -> None:
        assert value_of(self.steps, self.values, "at", smaller_is_better=True, at=at) == expected

    def test_a_metric_without_values_has_none(self) -> None:
        assert value_of(self.steps, np.full(4, np.nan), "best", smaller_is_better=True) is None

    def test_the_best_point_is_the_first_of_equals(self) -> None:
        x, y = np.arange(5.0), np.array([np.nan, 2.0, 1.0, 1.0, np.inf])
        assert best_point(x, y, smaller_is_better=True) == (2, 1)
        assert best_point(x, y, smaller_is_better=False) == (1, 2)
        assert best_point(x, np.full(5, np.nan), smaller_is_better=True) is None


class TestAverages:
    def test_mean_and_deviation_at_each_place(self) -> None:
        x = np.arange(4.0)
        found = average([(x, np.zeros(4)), (x, np.full(4, 2.0))], band="deviation")
        assert list(found.x) == [0, 1, 2, 3]
        assert list(found.mean) == [1] * 4
        assert (list(found.low), list(found.high)) == ([0] * 4, [2] * 4)

    def test_a_short_curve_is_not_continued_beyond_its_end(self) -> None:
        found = average([(np.arange(2.0), np.zeros(2)), (np.arange(4.0), np.full(4, 4.0))], band="range")
        assert list(found.mean) == [2, 2, 4, 4]
        assert (list(found.low), list(found.high)) == ([0, 0, 4, 4], [4] * 4)

    def test_curves_with_other_steps_meet_on_one_axis(self) -> None:
        found = average(
            [(np.array([0.0, 2.0]), np.array([0.0, 2.0])), (np.array([0.0, 1.0, 2.0]), np.ones(3))], band="range"
        )
        assert list(found.mean) == [0.5, 1, 1.5]

    def test_gaps_do_not_count_and_nothing_gives_nothing(self) -> None:
        x = np.arange(3.0)
        found = average([(x, np.array([1.0, np.nan, 1.0])), (x, np.full(3, np.nan))], band="range")
        assert list(found.mean) == [1, 1]
        assert len(average([(x, np.full(3, np.nan))], band="range").x) == 0

    def test_a_long_axis_is_shortened_to_the_asked_number_of_places(self) -> None:
        x = np.arange(10_000.0)
        found = average([(x, x)], band="deviation", points=50)
        assert len(found.x) == 50
        assert np.allclose(found.mean, found.x)
