"""What the charts of a tuning job are drawn from: unfinished trials are gaps, whatever they have reported."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.components.parallel_coordinates import parallel_figure
from app.components.trial_charts import curves_options, history_options, history_words
from app.tuning_figures import axes, best_so_far, finished, history, near_the_best, range_words
from backend.domain.jobs import JobStatus
from backend.domain.search_space import parse_space
from backend.domain.training import Value, resolve
from backend.domain.tuning import Direction, Trial, TuningJob, TuningRequest

NOW = datetime(2026, 11, 23, tzinfo=UTC)
COLOURS = [f"#{digit}{digit}{digit}" for digit in range(10)]
SPACE = ("lr=log(1e-3,1e-1)", "batch_size=64,128", "dropout=range(0,0.4)")


def trial(
    number: int,
    value: float | None,
    status: JobStatus = JobStatus.COMPLETED,
    *,
    early: bool = False,
    lr: float = 0.01,
    size: int = 64,
) -> Trial:
    return Trial(
        number=number,
        job=f"job-{number}",
        status=status,
        hyperparameters={"lr": lr, "batch_size": size, "dropout": 0.1},
        value=value,
        stopped_early=early,
    )


def job(*trials: Trial, direction: Direction = Direction.MAXIMIZE, name: str = "t") -> TuningJob:
    shared: dict[str, Value] = resolve("fast", {})
    request = TuningRequest(
        name=name,
        preset="fast",
        hyperparameters=shared,
        space=tuple(parse_space(text) for text in SPACE),
        requested_by="ada",
        key="k",
        direction=direction,
        max_jobs=8,
    )
    return TuningJob(request=request, status=JobStatus.IN_PROGRESS, created_at=NOW, trials=trials)


MIXED = (
    trial(1, 0.9),
    trial(2, None, JobStatus.FAILED),
    trial(3, 0.5, JobStatus.STOPPED, early=True),
    trial(4, 0.95, lr=0.1, size=128),
    trial(5, 0.99, JobStatus.IN_PROGRESS),
    trial(6, 0.97, JobStatus.STOPPED),
    trial(7, None, JobStatus.PENDING),
)


def test_the_best_so_far_counts_only_what_completed() -> None:
    assert best_so_far(job(*MIXED)) == [(1, 0.9), (2, 0.9), (3, 0.9), (4, 0.95), (6, 0.95)]
    losses = job(trial(1, 0.4), trial(2, 0.2), trial(3, 0.3), direction=Direction.MINIMIZE)
    assert best_so_far(losses) == [(1, 0.4), (2, 0.2), (3, 0.2)]
    assert best_so_far(job(trial(1, None, JobStatus.FAILED))) == []


def test_unfinished_trials_are_gaps_in_the_history() -> None:
    found = history(job(*MIXED))
    assert found.completed == [(1, 0.9), (4, 0.95)]
    assert found.stopped_early == [(3, 0.5)]
    drawn = history_options(found, parent="", trials=8, metric="val_accuracy", colours=COLOURS)
    assert drawn["xAxis"]["data"] == ["1", "2", "3", "4", "5", "6", "7", "8"]
    by_name = {series["name"]: series["data"] for series in drawn["series"]}
    assert by_name["Completed"] == [[0, 0.9], [3, 0.95]]
    assert 0 not in [y for series in by_name.values() for _, y in series]
    assert history_words(found, "val_accuracy") == (
        "val_accuracy by trial: 2 completed, 1 were ended early. Best is 0.95, trial 4."
    )


def test_what_was_learnt_from_comes_before_the_first_trial() -> None:
    parent = job(trial(1, 0.8), trial(2, 0.7, JobStatus.STOPPED, early=True), trial(3, 0.85), name="parent")
    found = history(job(trial(1, 0.9)), parent)
    assert found.before == [(-1, 0.8), (0, 0.85)]
    drawn = history_options(found, parent="parent", trials=2, metric="val_accuracy", colours=COLOURS)
    assert drawn["xAxis"]["data"] == ["", "", "1", "2"]
    by_name = {series["name"]: series["data"] for series in drawn["series"]}
    assert by_name["Learnt from parent"] == [[0, 0.8], [1, 0.85]]
    assert by_name["Completed"] == [[2, 0.9]]


def test_only_finished_trials_cross_the_parallel_coordinates() -> None:
    assert [t.number for t in finished(job(*MIXED))] == [1, 3, 4]
    lr, size, dropout, objective = axes(job(*MIXED))
    assert lr.values == pytest.approx([-2, -2, -1])  # a logarithmic axis
    assert (lr.words[0], lr.words[-1]) == ("0.001", "0.1")
    assert (size.values, size.words) == ([0, 0, 1], ["64", "128"])  # a list has places, not distances
    assert (dropout.low, dropout.high) == (0.0, 0.4)
    assert (objective.label, objective.values) == ("val_accuracy", [0.9, 0.5, 0.95])
    assert axes(job(trial(1, None, JobStatus.FAILED))) == []


def test_equal_values_still_have_an_axis() -> None:
    objective = axes(job(trial(1, 0.9), trial(2, 0.9)))[-1]
    assert (objective.low, objective.high) == pytest.approx((0.891, 0.909))  # no accuracy beyond 1


def test_the_better_is_the_stronger_whichever_way_is_better() -> None:
    for direction, reverse in ((Direction.MAXIMIZE, False), (Direction.MINIMIZE, True)):
        found = axes(job(*MIXED, direction=direction))
        figure = parallel_figure(found, smaller_is_better=reverse, colours=COLOURS, text="#123456")
        assert figure.data[0].line.reversescale is reverse
        assert [dimension.label for dimension in figure.data[0].dimensions] == [
            "Learning rate",
            "Batch size",
            "Dropout",
            "val_accuracy",
        ]


def test_the_best_and_the_running_curves_stand_out() -> None:
    curves = {f"trial {n}": [(1.0, 0.5), (2.0, 0.6)] for n in range(1, 31)}
    drawn = curves_options(
        curves, best="trial 3", running=["trial 30"], metric="val_accuracy", epochs=2, colours=COLOURS
    )
    assert drawn["legend"]["data"] == ["trial 3 (best)", "trial 30"]
    assert drawn["tooltip"]["trigger"] == "item"  # thirty lines in one tooltip would cover the page
    widths = {line["name"]: line["lineStyle"]["width"] for line in drawn["series"]}
    assert widths["trial 3 (best)"] == widths["trial 30"] > widths["trial 7"]


def test_near_the_best_is_the_better_half() -> None:
    low, high = near_the_best(job(*(trial(n, v) for n, v in enumerate((0.1, 0.2, 0.96, 0.98), 1)))) or (0, 0)
    assert 0.9 < low < 0.96 < 0.98 < high < 1
    down = job(*(trial(n, v) for n, v in enumerate((9.0, 8.0, 0.3, 0.2), 1)), direction=Direction.MINIMIZE)
    assert (near_the_best(down) or (0, 9))[1] < 1
    assert near_the_best(job(trial(1, 0.9))) is None


def test_ranges_in_words() -> None:
    assert [range_words(parse_space(text)) for text in SPACE] == ["0.001 to 0.1, log", "64, 128", "0 to 0.4"]
