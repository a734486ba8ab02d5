"""Launch's tuning form: what it says is what is searched, and what is wrong is said before the click."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app import queries
from backend.domain.identity import Role
from backend.domain.jobs import JobStatus
from backend.domain.search_space import automatic_space, parse_space
from backend.domain.training import resolve
from backend.domain.tuning import Direction, Strategy, TuningRequest
from tests.fakes.backend import World
from tests.ui.conftest import open_page, texts, use


@pytest.fixture
def submitted(world: World, monkeypatch: pytest.MonkeyPatch) -> list[TuningRequest]:
    """What reaches the platform; it is stored, and no process is started."""
    requests: list[TuningRequest] = []

    def submit(request: TuningRequest, channels: object) -> object:
        if request.key not in {known.key for known in requests}:
            requests.append(request)
            world.add_tuning_job(request.name, JobStatus.IN_PROGRESS, (), key=request.key)
        return world.backend.tuning.describe(request.name)

    monkeypatch.setattr(world.backend.tuning, "submit", submit)
    return requests


def tune(**params: str) -> AppTest:
    return open_page("launch", mode="tune", **params)


def spaces(request: TuningRequest) -> list[str]:
    return [parameter.text for parameter in request.space]


def test_one_click_searches_the_usual_space_and_opens_the_job(world: World, submitted: list[TuningRequest]) -> None:
    app = tune()
    assert "9 combinations, of which 6 are tried." in texts(app)
    app.get_by_key("launch_submit").click().run()
    (request,) = submitted
    assert spaces(request) == ["lr=0.0001,0.001,0.01", "batch_size=128,256,512"]
    assert (request.max_jobs, request.max_parallel, request.strategy) == (6, 1, Strategy.BAYESIAN)
    assert (request.objective, request.direction, request.early_stopping) == ("val_accuracy", Direction.MAXIMIZE, False)
    assert app.title[0].value == request.name


def test_everything_that_is_typed_arrives(world: World, submitted: list[TuningRequest]) -> None:
    world.add_tuning_job("parent")
    app = tune()
    app.get_by_key("launch_preset").set_value("balanced").run()
    app.get_by_key("space_0_lr_kind").set_value("log").run()
    app.get_by_key("space_0_lr_log_low").set_value("1e-3")
    app.get_by_key("space_0_lr_log_high").set_value("0.05").run()
    app.get_by_key("space_1_remove").click().run()
    app.get_by_key("space_add").click().run()
    app.get_by_key("space_2_name").set_value("augmentation").run()
    app.get_by_key("space_2_augmentation_list_values").set_value(["none", "affine"]).run()
    app.get_by_key("launch_balanced_epochs").set_value(3).run()
    app.get_by_key("tune_strategy").set_value(Strategy.RANDOM).run()
    app.get_by_key("tune_objective").set_value("val_loss").run()
    app.get_by_key("tune_max_jobs").set_value(20).run()
    app.get_by_key("tune_max_parallel").set_value(2).run()
    app.get_by_key("tune_early_stopping").set_value(True).run()
    app.get_by_key("tune_seed").set_value(5).run()
    app.get_by_key("tune_warm_start").set_value("parent").run()
    app.get_by_key("tune_name").set_value("mine").run()
    said = texts(app)
    assert "of 2 parallel trials the others wait" in said
    assert (
        "python -m backend tune --preset balanced --space 'lr=log(0.001,0.05)' --space augmentation=none,affine "
        "--set epochs=3 --strategy Random --objective val_loss --max-jobs 20 --max-parallel 2 --early-stopping "
        "--seed 5 --warm-start parent --name mine"
    ) in said
    app.get_by_key("launch_submit").click().run()
    (request,) = submitted
    assert spaces(request) == ["lr=log(0.001,0.05)", "augmentation=none,affine"]
    assert (request.name, request.preset, request.hyperparameters["epochs"]) == ("mine", "balanced", 3)
    assert (request.strategy, request.objective, request.direction) == (
        Strategy.RANDOM,
        "val_loss",
        Direction.MINIMIZE,
    )
    assert (request.max_jobs, request.max_parallel, request.early_stopping, request.seed) == (20, 2, True, 5)
    assert request.warm_start_from == "parent"
    assert "lr" not in request.hyperparameters


def test_a_second_click_launches_nothing_more(world: World, submitted: list[TuningRequest]) -> None:
    app = tune()
    app.get_by_key("tune_name").set_value("mine").run()
    button = app.get_by_key("launch_submit")
    button.click()
    button.click()
    app.run()
    assert len(submitted) == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("0.1, many", "lr is 'many'; expected a number from 1e-06 to 1."),
        ("7", "lr is 7; expected a number from 1e-06 to 1."),
        ("", "The search space has no value of lr."),
    ],
)
def test_values_that_are_none_are_told_beside_the_row(world: World, typed: str, says: str) -> None:
    app = tune()
    app.get_by_key("space_0_lr_list_values").set_value(typed).run()
    assert [text.value for text in app.text].count(says) == 2  # beside the row, and as the button's reason
    assert app.get_by_key("launch_submit").disabled


def test_a_space_that_cannot_be_searched_so_is_told_before_the_click(world: World) -> None:
    app = tune()
    app.get_by_key("space_1_name").set_value("lr").run()
    assert "The search space names 'lr' twice." in texts(app)
    app.get_by_key("space_1_remove").click().run()
    assert not app.get_by_key("launch_submit").disabled
    app.get_by_key("space_0_lr_kind").set_value("range").run()
    app.get_by_key("tune_strategy").set_value(Strategy.GRID).run()
    assert "Grid search cannot try every value of 'lr': it is continuous." in texts(app)
    assert app.get_by_key("launch_submit").disabled
    app.get_by_key("tune_strategy").set_value(Strategy.HYPERBAND).run()
    assert "Hyperband needs trials of at least 3 epochs; these have 2." in texts(app)
    assert app.get_by_key("tune_hyperband_stops").disabled
    app.get_by_key("space_0_remove").click().run()
    assert "The search space is empty." in texts(app)


def test_other_problems_are_told_where_they_were_typed(world: World) -> None:
    world.add_job("taken")
    app = tune()
    app.get_by_key("tune_name").set_value("no good").run()
    assert "Tuning job name 'no good' is not valid" in texts(app)
    app.get_by_key("tune_name").set_value("taken").run()
    assert "Job name 'taken' is taken." in texts(app)
    app.get_by_key("tune_name").set_value("").run()
    app.get_by_key("launch_fast_dataset").set_value("/no/such/file.npz").run()
    assert "The data set '/no/such/file.npz' does not exist here" in texts(app)
    assert app.get_by_key("launch_submit").disabled


def test_what_is_searched_is_not_asked_for(world: World) -> None:
    app = tune()
    assert not [one for one in app.number_input if one.key == "launch_fast_lr"]
    told = [one for one in app.text_input if one.label == "Learning rate" and one.disabled]
    assert [one.value for one in told] == ["searched: 0.0001, 0.001, 0.01"]


def test_autotune_searches_around_the_values(world: World, submitted: list[TuningRequest]) -> None:
    app = tune()
    app.get_by_key("tune_autotune").set_value(True).run()
    app.get_by_key("launch_fast_batch_size").set_value(64).run()
    (shown,) = [frame.value for frame in app.dataframe if list(frame.value.columns) == ["Hyperparameter", "Values"]]
    assert shown.to_dict("records")[1] == {"Hyperparameter": "Batch size", "Values": "32, 64, 128"}
    assert "--autotune --set batch_size=64" in texts(app)
    app.get_by_key("launch_submit").click().run()
    (request,) = submitted
    assert request.space == automatic_space(resolve("fast", {"batch_size": 64}))


def test_a_clone_of_a_search_is_that_search(world: World, submitted: list[TuningRequest]) -> None:
    world.add_tuning_job("parent")
    given = {"strategy": Strategy.RANDOM, "objective": "val_loss", "direction": Direction.MINIMIZE, "seed": 9}
    given |= {"max_jobs": 11, "max_parallel": 2, "early_stopping": True, "warm_start_from": "parent"}
    world.add_tuning_job("first", space=("lr=log(0.002,0.05)", "epochs=range(2,5)"), overrides={"limit": 500}, **given)
    app = open_page("launch", clone="first")
    assert "Filled in from job first." in texts(app)
    app.get_by_key("launch_submit").click().run()
    (request,) = submitted
    origin = world.searches.get("first").request
    same = ("space", "strategy", "objective", "direction", "max_jobs", "max_parallel", "early_stopping", "seed")
    for field in (*same, "warm_start_from", "hyperparameters", "preset"):
        assert getattr(request, field) == getattr(origin, field), field
    assert request.space == (parse_space("lr=log(0.002,0.05)"), parse_space("epochs=range(2,5)"))


def test_the_best_trials_values_can_be_trained_with(world: World) -> None:
    world.add_tuning_job("search", values=(0.95, 0.98))
    app = open_page("jobs", job="search")
    app.get_by_key("tuning_train_best").click().run()
    best = world.backend.tuning.describe("search").best_trial
    assert best is not None
    assert f"Filled in from job {best.job}." in texts(app)
    assert app.get_by_key("launch_mode").value == "train"
    assert app.get_by_key(f"launch_fast_{best.job}_batch_size").value == best.hyperparameters["batch_size"]


def test_a_training_cloned_from_a_search_begins_with_its_best_trials_values(world: World) -> None:
    world.add_tuning_job("search", values=(0.95, 0.98), overrides={"epochs": 3})
    best = world.backend.tuning.describe("search").best_trial
    assert best is not None
    app = open_page("launch", clone="search", mode="train")
    shown = {name: app.get_by_key(f"launch_fast_search_{name}").value for name in ("lr", "batch_size", "epochs")}
    assert shown == {**best.hyperparameters, "epochs": 3}


def test_the_estimate_is_honest(world: World) -> None:
    assert "No job with this model and data has finished here yet: no estimate." in texts(tune())
    queries.forget_jobs()
    world.add_job("job-a")  # two epochs in 40 seconds
    assert "About 4 min: 6 trials of 2 epochs, one at a time, from 1 finished job with this model." in texts(tune())


def test_a_viewer_is_told_why_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    use(world.acting_as(Role.VIEWER), monkeypatch)
    app = tune()
    assert app.get_by_key("launch_submit").disabled
    assert "to launch a tuning job, you need operator" in texts(app)


def test_the_mode_is_in_the_address(world: World) -> None:
    app = open_page("launch")
    assert app.get_by_key("launch_mode").value == "train"
    app.get_by_key("launch_mode").set_value("tune").run()
    assert app.query_params["mode"] == "tune"
    assert app.get_by_key("launch_submit").label == "Launch tuning"
