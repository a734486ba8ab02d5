"""Charts over time: gaps stay gaps, a lone sample is seen, and axes and words say what is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.components.time_chart import Moment, chart_options, describe

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SPAN = (NOON - 60 * MINUTE, NOON)


def at(minute: int, value: float | None) -> Moment:
    return Moment(NOON - 60 * MINUTE + minute * MINUTE, value)


def test_what_is_far_apart_is_not_joined_and_a_lone_sample_is_a_dot() -> None:
    line = [at(0, 1.0), at(1, 2.0), at(3, 3.0), at(30, 4.0), at(50, 5.0), at(51, None), at(52, 6.0)]
    (series,) = chart_options({"p50": line}, span=SPAN, step=MINUTE)["series"]
    values = [point["value"][1] if isinstance(point, dict) else point[1] for point in series["data"]]
    assert values == [1.0, 2.0, 3.0, None, 4.0, None, 5.0, 6.0]
    assert [point["value"][1] for point in series["data"] if isinstance(point, dict)] == [4.0]


def test_the_axis_is_the_whole_span_in_utc_whatever_was_seen() -> None:
    options = chart_options({"used": []}, span=SPAN, step=MINUTE, top=100)
    assert (options["xAxis"]["min"], options["xAxis"]["max"]) == tuple(int(end.timestamp() * 1000) for end in SPAN)
    assert options["useUTC"] is True
    assert (options["yAxis"]["min"], options["yAxis"]["max"]) == (0, 100)


def test_bars_leave_out_what_did_not_happen() -> None:
    options = chart_options({"a": [at(1, 0), at(2, 3)], "b": [at(2, 1)]}, span=SPAN, step=MINUTE, kind="bar")
    assert [[value for _, value in series["data"]] for series in options["series"]] == [[3.0], [1.0]]


def test_the_chart_is_told_in_words() -> None:
    told = describe({"p50": [at(1, 1.0), at(2, 3.0)], "p99": [at(1, None)]}, title="Latency", unit="ms")
    assert told == "Latency, ms, over time. p50: 3 now, from 1 to 3; p99: nothing seen."
