"""The Compare page: what it answers, what it refuses to compare, and where its buttons lead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from backend.domain.identity import Role
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from tests.fakes.backend import World
from tests.fakes.operations import RecordedOperations
from tests.fakes.predictions import add_versions, measured, says
from tests.ui.conftest import open_page, texts, use


@pytest.fixture
def operations(world: World, monkeypatch: pytest.MonkeyPatch) -> RecordedOperations:
    """Nothing is started; the test says what became of it."""
    recorded = RecordedOperations()
    for name in ("is_running", "answer", "output", "start"):
        monkeypatch.setattr(world.backend.operations, name, getattr(recorded, name))
    return recorded


@pytest.fixture
def five(world: World, tmp_path: Path) -> World:
    """v1 errs 40 times; v2 is better, v3 worse, v4 cannot be told apart yet; v5 was never run."""
    add_versions(world, 5, tmp_path)
    says(world, 1, range(40))
    says(world, 2, range(10))
    says(world, 3, range(90))
    says(world, 4, [*range(39), *range(500, 503)])
    for number in (1, 2, 3, 4):
        measured(world, number, latency_ms=0.1 * number)
    return world


def gallery(app: AppTest) -> list[int]:
    return [int(str(m.value).rsplit("image ", 1)[1].rstrip("]")) for m in app.markdown if "· image " in str(m.value)]


def frame(app: AppTest, column: str) -> Any:
    """The one table that has this column."""
    (shown,) = [table.value for table in app.dataframe if column in table.value.columns]
    return shown


def test_with_fewer_than_two_versions_it_says_what_to_do(world: World, tmp_path: Path) -> None:
    assert "No versions yet" in texts(open_page("compare"))
    add_versions(world, 1, tmp_path)
    st.cache_data.clear()
    assert "Two versions are needed" in texts(open_page("compare"))


def test_each_version_is_answered_for_in_a_sentence(five: World) -> None:
    said = texts(open_page("compare", base="1", versions="2,3,4"))
    assert "v2 is better than v1: 30 fixed, 0 broken, p < 0.001 (Holm-corrected for 3)." in said
    assert "v3 is worse than v1: 0 fixed, 50 broken, p < 0.001 (Holm-corrected for 3)." in said
    assert "Cannot tell yet whether v4 is better than v1: 1 fixed, 3 broken" in said
    assert "Not enough evidence: about " in said
    assert "On the same 1,000 images of set-0" in said


def test_what_prod_serves_is_the_base_and_the_newest_other_is_held_against_it(five: World) -> None:
    five.backend.registration.decide(2, Approval.APPROVED, actor=five.backend.actor)
    five.backend.promotion.promote(Stage.PROD, 2, actor=five.backend.actor)
    app = open_page("compare")
    assert (app.get_by_key("compare_base").value, app.get_by_key("compare_versions").value) == (2, [5])
    assert (app.query_params["base"], app.query_params["versions"]) == ("2", "5")


def test_the_address_says_all_of_it_and_foreign_ones_are_no_error(five: World) -> None:
    app = open_page("compare", base="3", versions="1,2", on="freehand", margin="0.5")
    assert app.get_by_key("compare_base").value == 3
    assert app.get_by_key("compare_versions").value == [1, 2]
    assert app.get_by_key("compare_margin").value == 0.5
    assert "python -m backend compare 3 1 2 --on freehand --margin 0.5" in texts(app)
    app = open_page("compare", base="99", versions="x,99,;3", on="moon", margin="-4")
    assert app.get_by_key("compare_margin").value == 0.2
    app.get_by_key("compare_versions").set_value([2, 3]).run()
    assert app.query_params["versions"] == "2,3"


def test_a_wider_margin_makes_versions_as_good(five: World) -> None:
    app = open_page("compare", base="1", versions="4")
    assert "Cannot tell yet whether v4 is better than v1" in texts(app)
    app.get_by_key("compare_margin").set_value(1.0).run()
    assert "v4 is as good as v1 within 1 points" in texts(app)


def test_different_data_are_explained_and_evaluated_by_a_button(five: World, operations: RecordedOperations) -> None:
    data = five.backend.evaluations.evaluated(five.backend.registry.get(1).sha256)[0].data_sha256
    app = open_page("compare", base="1", versions="2,5")
    said = texts(app)
    assert "v5 was not run on these 1,000 images" in said
    assert "only equal data are compared" in said
    assert "v2 is better than v1" in said, "what can be compared is"
    button = app.get_by_key("compare_evaluate")
    assert button.label == "Evaluate v5 on the same data"
    button.click().run()
    ((started, verb),) = operations.started
    assert verb == ["evaluate", "5", "--data", data, "--json"]
    assert app.query_params["evaluation"] == started
    assert app.get_by_key("compare_evaluate").disabled
    assert "Starting. Some seconds a version; you may leave this page." in texts(app)


def test_when_the_evaluation_has_ended_its_verdict_is_there(five: World, operations: RecordedOperations) -> None:
    app = open_page("compare", base="1", versions="5")
    app.get_by_key("compare_evaluate").click().run()
    says(five, 5, range(3))
    operations.running, operations.said = False, "{}"
    app.run()
    assert "v5 is better than v1: 37 fixed, 0 broken" in texts(app)
    assert "evaluation" not in app.query_params


def test_an_evaluation_that_failed_says_why(five: World, operations: RecordedOperations) -> None:
    app = open_page("compare", base="1", versions="5")
    app.get_by_key("compare_evaluate").click().run()
    operations.running = False
    operations.said = '{"error": {"kind": "ArchiveRejectedError", "message": "It rotted.", "hint": "Register again."}}'
    app.run()
    said = texts(app)
    assert "The evaluation failed." in said
    assert "It rotted." in said
    assert not app.get_by_key("compare_evaluate").disabled
    app.get_by_key("evaluation_dismiss").click().run()
    assert "It rotted." not in texts(app)


def test_versions_that_were_never_run_are_run_on_what_is_usual(
    world: World, tmp_path: Path, operations: RecordedOperations
) -> None:
    add_versions(world, 2, tmp_path)
    app = open_page("compare", base="1", versions="2")
    assert "v1 and v2 were not run here yet" in texts(app)
    app.get_by_key("compare_evaluate").click().run()
    assert operations.started[0][1] == ["evaluate", "1", "2", "--json"]


def test_a_viewer_sees_everything_and_starts_nothing(five: World, monkeypatch: pytest.MonkeyPatch) -> None:
    use(five.acting_as(Role.VIEWER), monkeypatch)
    app = open_page("compare", base="1", versions="2,5")
    assert "v2 is better than v1" in texts(app)
    assert app.get_by_key("compare_evaluate").disabled
    assert app.get_by_key("register_archive").disabled


def test_the_gallery_shows_the_very_images_with_both_opinions(five: World) -> None:
    app = open_page("compare", base="1", versions="4")
    assert gallery(app) == [39]
    said = texts(app)
    assert ":red[:material/close:] v1: **0** 91.0 %" in said
    assert ":green[:material/check:] v4: **9** 91.0 %" in said
    which = next(control for control in app.get("button_group") if str(control.key).startswith("gallery_which"))
    which.set_value("Broken (3)").run()
    assert gallery(app) == [500, 501, 502]
    app.get_by_key("gallery_digit").set_value(1).run()
    assert gallery(app) == [501]
    links = [link.proto.query_string for link in app.get("page_link") if link.proto.label == "Try a variant"]
    data = five.backend.evaluations.evaluated(five.backend.registry.get(1).sha256)[0].data_sha256
    assert links == [f"picture={data}-501&candidate=4"]


def test_many_images_are_paged(five: World) -> None:
    app = open_page("compare", base="1", versions="3")
    assert gallery(app) == list(range(40, 64))
    assert "1 to 24 of 50" in texts(app)
    app.get_by_key("gallery_later").click().run()
    app.get_by_key("gallery_later").click().run()
    assert gallery(app) == [88, 89]
    assert app.get_by_key("gallery_later").disabled
    app.get_by_key("gallery_earlier").click().run()
    assert gallery(app) == list(range(64, 88))


def test_another_version_is_looked_at_closely(five: World) -> None:
    app = open_page("compare", base="1", versions="2,3,4", focus="v3")
    assert "Images that tell v3 and v1 apart" in texts(app)
    app.get_by_key("compare_focus").set_value("v2").run()
    assert "Images that tell v2 and v1 apart" in texts(app)
    assert app.query_params["focus"] == "v2"


def test_metrics_are_those_of_the_archives(five: World) -> None:
    table = frame(open_page("compare", base="1", versions="2,3"), "Accuracy")
    assert table["Accuracy"].tolist() == [96.0, 99.0, pytest.approx(91.0)]
    assert table["Latency p50"].tolist() == [pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.3)]


def test_hyperparameters_that_differ_come_first_and_curves_are_drawn(world: World) -> None:
    for number, overrides in ((1, {}), (2, {"lr": 0.05})):
        world.add_job(f"job-{number}", sharpness=float(number), **overrides)
        world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
        says(world, number, range(number))
    app = open_page("compare", base="1", versions="2")
    differing = frame(app, "Differs")
    assert differing["Differs"].tolist() == ["Learning rate"]
    assert differing["v2"].tolist() == ["0.05"]
    assert "Seed" in frame(app, "Hyperparameter")["Hyperparameter"].tolist()
    assert "None of these versions was trained here." not in texts(app)


def test_an_archive_made_elsewhere_is_registered_by_a_button(five: World, operations: RecordedOperations) -> None:
    app = open_page("compare", base="1", versions="2")
    assert app.get_by_key("register_archive").disabled
    app.get_by_key("register_path").set_value("/models/new.tar.gz").run()
    app.get_by_key("register_archive").click().run()
    assert operations.started[0][1] == ["register", "--archive", "/models/new.tar.gz", "--json"]
    assert app.query_params["evaluation"] == operations.started[0][0]


class TestDraw:
    def test_a_kept_picture_is_answered_as_it_is_and_bent(self, five: World) -> None:
        five.backend.registration.decide(1, Approval.APPROVED, actor=five.backend.actor)
        five.backend.promotion.promote(Stage.STAGING, 1, actor=five.backend.actor)
        data = five.backend.evaluations.evaluated(five.backend.registry.get(1).sha256)[0].data_sha256
        app = open_page("draw", picture=f"{data}-7", candidate="2")
        assert "**A 7** · image 7 of set-0" in texts(app)
        before = [metric.value for metric in app.metric if metric.label in ("Digit", "Confidence")]
        assert all(value[0].isdigit() for value in before), "both were asked about it"
        app.get_by_key("variant_right").set_value(6).run()
        after = [metric.value for metric in app.metric if metric.label in ("Digit", "Confidence")]
        assert before != after
        app.get_by_key("variant_reset").click().run()
        assert app.get_by_key("variant_right").value == 0
        assert [m.value for m in app.metric if m.label in ("Digit", "Confidence")] == before

    @pytest.mark.parametrize("picture", ["nonsense", f"{'f' * 64}-1", "../../etc/passwd-1"])
    def test_a_picture_that_is_not_kept_is_told(self, five: World, picture: str) -> None:
        five.backend.registration.decide(1, Approval.APPROVED, actor=five.backend.actor)
        five.backend.promotion.promote(Stage.STAGING, 1, actor=five.backend.actor)
        assert "The address names a picture that is not kept here." in texts(open_page("draw", picture=picture))
