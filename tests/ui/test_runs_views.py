"""What the runs page shows of the chosen runs: charts, live, other views, one run, exports."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from app import run_queries
from app.components.plain_text import escaped
from app.state import Key
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.domain.tracking import MediaItem, MetricDefinition, RunSource
from backend.errors import PlatformError
from tests.fakes.backend import World
from tests.ui.conftest import open_page, texts
from tests.ui.runs_steps import drawn, key, lines, names, table, three
from tests.ui.test_tuning_jobs import rows

PIXEL = (  # a PNG of one pixel
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\nIDATx\x9cc`"
    b"\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


def blank(side: int) -> bytes:
    """A PNG of so many pixels squared."""
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG")
    return file.getvalue()


class TestCharts:
    def test_one_panel_for_each_metric_and_none_for_the_epoch(self, world: World) -> None:
        three(world)
        head, _ = drawn(open_page("runs"))
        assert [panel["title"] for panel in head["panels"]] == ["val/accuracy", "val/loss"]
        assert [panel["note"] for panel in head["panels"]] == ["highest 0.99, good", "lowest 0.01, good"]

    def test_everything_that_is_chosen_comes_from_the_address(self, world: World) -> None:
        three(world)
        head, _ = drawn(
            open_page(
                "runs",
                runs_metrics="loss",
                runs_x="epoch",
                runs_smooth="0.5",
                runs_logy="true",
                runs_logx="true",
                zoom="1,2",
            )
        )
        assert [panel["title"] for panel in head["panels"]] == ["val/loss"]
        assert (head["x"]["title"], head["x"]["log"], head["log_y"]) == ("epoch", True, True)
        assert (head["range"], head["cut"]) == ([1, 2], True)
        assert {kind for _, kind, _, _ in head["panels"][0]["lines"]} == {0, 1}, "a raw line under each"

    def test_over_what_the_runs_say_that_they_are_drawn_over(self, world: World) -> None:
        over = (MetricDefinition(name="*", step_metric="epoch"),)
        world.runs.add_run("a", {"loss": [2.0, 1.0], "epoch": [1, 2]}, definitions=over)
        assert drawn(open_page("runs"))[0]["x"]["title"] == "epoch"
        assert drawn(open_page("runs", runs_x="step"))[0]["x"]["title"] == "step"
        world.runs.add_run("b", {"loss": [2.0, 1.0]})
        run_queries.forget()
        assert drawn(open_page("runs"))[0]["x"]["title"] == "step", "not all of them agree"

    def test_averages_by_a_part_of_the_configuration(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs_group="group", runs_band="range")
        assert lines(app) == ["search (2)", "(none) (1)"]
        head, numbers = drawn(app)
        _, kind, start, n = head["panels"][0]["lines"][0]
        assert kind == 2
        assert numbers[start + n : start + 3 * n].tolist() == pytest.approx([0.1, 0.5, 0.49, 0.1, 0.99, 0.98])

    def test_a_zoom_goes_into_the_address_and_out_of_it(self, world: World) -> None:
        three(world)
        app = open_page("runs", zoom="nonsense")
        assert drawn(app)[0]["range"] is None
        assert drawn(open_page("runs", zoom="0.5,1.5"))[0]["range"] == [0.5, 1.5]

    def test_a_wrong_expression_is_told_and_an_unknown_metric_too(self, world: World) -> None:
        three(world)
        assert "This is no regular expression" in texts(open_page("runs", runs_metrics="("))
        assert "No metric of these runs fits 'nothing'." in texts(open_page("runs", runs_metrics="nothing"))

    def test_runs_without_numbers_are_said_to_have_none(self, world: World) -> None:
        world.runs.add_run("empty")
        assert "None of these runs has logged a number yet." in texts(open_page("runs"))


class TestLive:
    def test_a_look_that_finds_nothing_new_draws_nothing(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        three(world)
        app = open_page("runs")
        before = drawn(app)[0]["revision"]
        run_queries.forget()
        app.run()
        assert drawn(app)[0]["revision"] == before
        assert app.session_state[Key.RUNS_TOKEN] == world.runs.token()

    def test_a_run_that_grew_is_drawn_again(self, world: World) -> None:
        three(world)
        app = open_page("runs")
        before = drawn(app)[0]["revision"]
        world.runs.add_run("good", {"val/accuracy": [0.1, 0.99, 0.98, 0.999]}, config={"lr": 0.01})
        run_queries.forget()
        app.run()
        assert drawn(app)[0]["revision"] != before
        assert "highest 0.999, good" in drawn(app)[0]["panels"][0]["note"]

    def test_a_source_that_fails_is_said_and_spoils_nothing(self, world: World) -> None:
        three(world)
        world.runs.failure = PlatformError("The server does not answer.", hint="Look at the network.")
        app = open_page("runs")
        said = texts(app)
        assert names(app) == ["bad", "good", "slow"]
        assert "This machine: as of 12:00:00" in said
        assert "The server does not answer." in said


class TestViews:
    def test_only_what_differs_or_all_of_the_configuration(self, world: World) -> None:
        three(world)
        app = open_page("runs", runs_view="Configuration")
        (row,) = table(app, "Configuration")
        assert row == {"Configuration": "lr", "bad": "0.1", "good": "0.01", "slow": "0.001"}
        app.get_by_key("runs_differs").set_value(False).run()
        assert [row["Configuration"] for row in table(app, "Configuration")] == ["lr", "model"]

    def test_the_same_configurations_are_said_to_be_the_same(self, world: World) -> None:
        for name in ("a", "b"):
            world.runs.add_run(name, {"loss": [1.0]}, config={"lr": 0.1})
        assert "Their configurations are the same." in texts(open_page("runs", runs_view="Configuration"))

    def test_system_metrics_of_each_run_over_its_time(self, world: World) -> None:
        world.runs.add_run("a", {"loss": [1.0]}, system={"cpu": [10.0, 90.0], "memory": [1.0, 2.0]})
        head, _ = drawn(open_page("runs", runs_view="System"), "runs_system")
        assert [panel["title"] for panel in head["panels"]] == ["cpu", "memory"]
        assert (head["x"]["kind"], head["panels"][0]["best"]) == ("duration", [])

    def test_pictures_of_the_newest_step_with_their_captions(self, world: World) -> None:
        items = [
            (
                MediaItem(metric="test/mistakes", step=step, path=f"m/{step}.png", kind="image-file", caption=caption),
                PIXEL,
            )
            for step, caption in ((1, "2 read as 7"), (5, "3 read as 8"))
        ]
        world.runs.add_run("a", {"loss": [1.0]}, media=items)
        app = open_page("runs", runs_view="Media")
        assert "3 read as 8" in texts(app)
        assert "2 read as 7" not in texts(app)
        app.get_by_key("runs_media_step_test/mistakes").set_value(1).run()
        assert "2 read as 7" in texts(app)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "No picture that can be shown."),
            (b"", "No picture that can be shown."),
            (PIXEL[:20], "No picture that can be shown."),
            (blank(5_000), "5,000 x 5,000 pixels: too large to show here."),
        ],
    )
    def test_what_is_no_picture_or_a_huge_one_is_only_handed_out(self, world: World, content: bytes, said: str) -> None:
        """A file of three kilobytes may be a hundred megabytes in memory."""
        item = MediaItem(metric="p", step=1, path="m/evil.png", kind="image-file")
        world.runs.add_run("a", {"loss": [1.0]}, media=[(item, content), (item, content)])
        app = open_page("runs", runs_view="Media")
        assert said in texts(app)
        assert app.get("imgs") == []
        assert [button.label for button in app.get("download_button") if button.key.startswith("media_")] == [
            r"evil\.png"
        ]

    def test_the_console_is_text_and_nothing_else(self, world: World) -> None:
        world.runs.add_run("a", {"loss": [1.0]}, console=["epoch 1 \x1b[31mred\x1b[0m", "<b>done</b>"])
        (viewer,) = open_page("runs", runs_view="Console").get("bidi_component")
        assert json.loads(viewer.proto.json)["text"] == "epoch 1 red\n<b>done</b>"

    @pytest.mark.parametrize(
        ("view", "said"),
        [
            ("Configuration", "It recorded no configuration."),
            ("System", "These runs recorded nothing of their machines."),
            ("Media", "These runs logged no pictures or other files."),
            ("Console", "W&B recorded nothing that this run printed."),
        ],
    )
    def test_what_is_not_there_is_said(self, world: World, view: str, said: str) -> None:
        world.runs.add_run("a", {"loss": [1.0]})
        assert said in texts(open_page("runs", runs_view=view))

    def test_data_that_cannot_be_had_is_a_panel_and_the_table_stays(self, world: World) -> None:
        three(world)
        world.runs.failure = PlatformError("The server does not answer.")
        app = open_page("runs", runs_view="Media")
        assert "Read the media: this did not work." in texts(app)
        assert len(names(app)) == 3


class TestOneRun:
    def test_says_what_it_is(self, world: World) -> None:
        three(world)
        app = open_page("runs", run=key("good"))
        assert app.title[0].value == "good"
        numbers = {metric.label: metric.value for metric in app.metric}
        assert numbers[escaped("Highest val/accuracy")] == "0.99"
        assert numbers[escaped("Lowest val/loss")] == "0.01"
        assert lines(app) == ["good"]
        assert {row["Summary"] for row in table(app, "Summary")} == {"epoch", "val/accuracy", "val/loss"}

    def test_leads_to_its_job_version_and_endpoint_and_the_job_back(self, world: World) -> None:
        world.add_job("job-a")
        world.backend.registration.register_job("job-a", actor=world.backend.actor)
        world.backend.registration.decide(1, Approval.APPROVED, actor=world.backend.actor)
        world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)
        world.runs.add_run("job-a", {"val/accuracy": [0.9, 0.95]})
        links = {
            link.proto.label: (link.proto.page, link.proto.query_string)
            for link in open_page("runs", run="job-a").get("page_link")
        }
        assert links["Job job-a"] == ("jobs", "job=job-a")
        assert links["Version 1"] == ("promote", "version=1")
        assert links["Serving on staging"] == ("endpoints", "stage=staging")

    def test_one_that_is_on_a_server_leads_there_and_nowhere_else(self, world: World) -> None:
        world.runs.add_run("a", synced=True, url="https://wandb.example/ada/p/runs/a", sources=(RunSource.CLOUD,))
        world.runs.add_run("b", synced=True, url="javascript:alert(1)")
        links = [link.proto.url for link in open_page("runs", run="a").get("link_button")]
        assert links == ["https://wandb.example/ada/p/runs/a"]
        assert open_page("runs", run="b").get("link_button") == []

    def test_a_foreign_address_is_no_error(self, world: World) -> None:
        assert "No such run" in texts(open_page("runs", run="p/x"))

    def test_what_is_wrong_with_its_file_is_said(self, world: World) -> None:
        world.runs.add_run("a", {"loss": [1.0]}, damaged=3, notice="Written by a newer wandb.")
        said = texts(open_page("runs", run="a"))
        assert "3 places of its file could not be read" in said
        assert "Written by a newer wandb." in said


def test_exports_are_made_when_somebody_asks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    three(world)
    asked: list[object] = []
    monkeypatch.setattr("app.views.run_export.history_file", lambda *_: asked.append(1) or b"")
    app = open_page("runs")
    assert {button.key for button in app.get("download_button")} >= {
        "runs_export_runs_csv",
        "runs_export_runs_parquet",
        "runs_export_histories_csv",
        "runs_export_histories_parquet",
    }
    assert asked == []


def test_rows_have_the_colours_of_their_lines_or_of_their_groups(world: World) -> None:
    three(world)
    assert [row["Drawn"] for row in rows(open_page("runs"), "runs_table")] == [["0"], ["1"], ["2"]]
    grouped = rows(open_page("runs", runs_group="group"), "runs_table")
    assert [row["Drawn"] for row in grouped] == [["0"], ["0"], ["1"]]


def test_what_waits_for_a_server_can_be_synced_from_the_list_and_from_the_run(world: World) -> None:
    world.runs.add_run("a", {"loss": [1.0]}, folders=("/runs/a",))
    world.runs.add_run("b", {"loss": [1.0]}, synced=True)
    assert open_page("runs").get_by_key("runs_sync").label == "Sync 1 run"
    assert open_page("runs", run="a").get_by_key("runs_sync").label == "Sync 1 run"
    assert "runs_sync" not in [button.key for button in open_page("runs", run="b").button]
