"""What every source of runs keeps, whether it is a fake, files, or a server."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.domain.tracking import RunFilter, RunState
from backend.errors import InvalidInputError, NotFoundError
from backend.ports import tracking
from tests.contract.run_sources import FakeSource, FilesSource, RunSourceUnderTest, ServerSource

NAN = math.nan
KEY = "digit_classification/a"


@pytest.fixture(params=["fake", "files", pytest.param("server", marks=pytest.mark.processes)])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunSourceUnderTest]:
    if request.param == "server":
        server = ServerSource(tmp_path)
        yield server
        server.close()
    else:
        yield FakeSource() if request.param == "fake" else FilesSource(tmp_path)


class TestListing:
    def test_without_runs_it_is_empty(self, source: RunSourceUnderTest) -> None:
        page = source.reader.list_runs()
        assert (list(page.runs), page.total) == ([], 0)
        assert source.reader.status().error == ""

    def test_newest_first_in_pages(self, source: RunSourceUnderTest) -> None:
        for minute, name in enumerate(["b", "a", "c"]):
            source.add(name, {"loss": [1.0]}, minute=minute)
        assert [run.id for run in source.reader.list_runs().runs] == ["c", "a", "b"]
        page = source.reader.list_runs(offset=1, limit=1)
        assert ([run.id for run in page.runs], page.total) == (["a"], 3)

    def test_a_run_says_what_it_was_given(self, source: RunSourceUnderTest) -> None:
        source.add(
            "a",
            {"loss": [3.0, 1.0, 2.0], "acc": [0.1, NAN, 0.3]},
            config={"lr": 0.01, "optimizer": {"name": "adam", "betas": [0.9, 0.99]}},
            tags=["good"],
            group="search-1",
        )
        (run,) = source.reader.list_runs().runs
        assert (run.id, run.project, run.state, run.group, run.tags) == (
            "a",
            "digit_classification",
            RunState.FINISHED,
            "search-1",
            ("good",),
        )
        assert run.flat_config["optimizer.name"] == "adam"
        assert (run.summary["loss"], run.summary["acc"]) == (2.0, 0.3)
        assert (run.last_step, set(run.metrics)) == (2, {"acc", "loss"})
        assert run.key == KEY

    def test_filters_select(self, source: RunSourceUnderTest) -> None:
        source.add("a", {"loss": [1.0]}, tags=["good", "old"], group="g", minute=1)
        source.add("b", {"loss": [1.0]}, tags=["good"], minute=2)
        source.add("c", {"loss": [1.0]}, project="other", minute=3)

        def found(where: RunFilter) -> list[str]:
            return [run.id for run in source.reader.list_runs(where).runs]

        assert found(RunFilter(tags=frozenset({"good"}))) == ["b", "a"]
        assert found(RunFilter(group="g")) == ["a"]
        assert found(RunFilter(project="other")) == ["c"]
        assert found(RunFilter(text="G")) == ["b", "a"]
        assert found(RunFilter(states=frozenset({RunState.CRASHED}))) == []

    def test_a_run_that_did_not_change_is_the_same_object_and_the_token_stays(self, source: RunSourceUnderTest) -> None:
        source.add("a", {"loss": [1.0]})
        first, token = source.reader.list_runs().runs[0], source.reader.token()
        assert source.reader.list_runs().runs[0] is first
        assert source.reader.token() == token
        source.add("b", {"loss": [1.0]}, minute=1)
        assert source.reader.token() != token


class TestOneRun:
    def test_by_key_or_by_an_id_that_only_one_has(self, source: RunSourceUnderTest) -> None:
        source.add("a", {"loss": [1.0]})
        assert source.reader.get_run(KEY).id == source.reader.get_run("a").id == "a"
        assert not source.reader.get_run("a").partial

    def test_an_unknown_one_and_an_ambiguous_id_are_not_found(self, source: RunSourceUnderTest) -> None:
        source.add("a", {"loss": [1.0]})
        source.add("a", {"loss": [1.0]}, project="other", minute=1)
        for key in ("a", "nobody"):
            with pytest.raises(NotFoundError):
                source.reader.get_run(key)
        with pytest.raises(NotFoundError):
            source.reader.console("nobody")

    def test_system_metrics_console_and_media(self, source: RunSourceUnderTest) -> None:
        source.add(
            "a",
            {"loss": [1.0]},
            system={"cpu": [10.0, 20.0], "memory": [1.0, 2.0]},
            console=["one", "two", "three"],
            media={"media/images/sample_0.png": b"\x89PNG"},
        )
        system = source.reader.system_metrics(KEY)
        assert (list(system.steps), list(system.columns["cpu"])) == ([0, 1], [10.0, 20.0])
        console = source.reader.console(KEY, lines=2)
        assert ([line.text for line in console.lines], console.earlier) == (["two", "three"], True)
        (item,) = source.reader.media(KEY)
        assert (item.metric, item.kind) == ("sample", "image-file")
        assert source.reader.read_media(KEY, item.path) == b"\x89PNG"

    def test_a_run_that_recorded_nothing_beside_numbers_has_nothing_beside(self, source: RunSourceUnderTest) -> None:
        source.add("a", {"loss": [1.0]})
        assert len(source.reader.system_metrics(KEY)) == 0
        assert source.reader.console(KEY).lines == ()
        assert list(source.reader.media(KEY)) == []

    @pytest.mark.parametrize("path", ["", "../secret", "/etc/passwd", "media/../../secret", "a\\..\\b", "gone.png"])
    def test_a_path_out_of_the_run_or_to_nothing_is_not_found(self, source: RunSourceUnderTest, path: str) -> None:
        source.add("a", {"loss": [1.0]})
        with pytest.raises(NotFoundError):
            source.reader.read_media(KEY, path)

    def test_a_file_that_is_too_large_is_refused(
        self, source: RunSourceUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source.add("a", {"loss": [1.0]}, media={"big.png": b"x" * 33})
        for module in (tracking, __import__("tests.fakes.tracking", fromlist=["x"])):
            monkeypatch.setattr(module, "LARGEST_MEDIA", 32)
        monkeypatch.setattr("backend.adapters.wandb.run_files.LARGEST_MEDIA", 32)
        monkeypatch.setattr("backend.adapters.wandb.cloud.LARGEST_MEDIA", 32)
        with pytest.raises(InvalidInputError, match="33 bytes"):
            source.reader.read_media(KEY, "big.png")


class TestHistories:
    def test_rows_in_order_and_nan_where_nothing_was_logged(self, source: RunSourceUnderTest) -> None:
        source.add("a", {"loss": [3.0, 1.0, 2.0], "acc": [NAN, 0.5, NAN]})
        rows = source.reader.histories([KEY])[KEY]
        assert list(rows.steps) == [0, 1, 2]
        assert list(rows.columns["loss"]) == [3.0, 1.0, 2.0]
        assert [value == value for value in rows.columns["acc"]] == [False, True, False]
        assert (rows.segments, rows.sampled, len(rows.times)) == ((0,), False, 3)
        assert [b - a for a, b in zip(rows.times, list(rows.times)[1:], strict=False)] == [1.0, 1.0]

    def test_only_the_columns_that_were_asked_for_and_only_known_runs(self, source: RunSourceUnderTest) -> None:
        source.add("a", {"loss": [1.0], "acc": [0.5]})
        found = source.reader.histories([KEY, "nobody"], ["acc", "never"])
        assert {key: sorted(rows.columns) for key, rows in found.items()} == {KEY: ["acc"]}

    def test_a_run_without_rows_has_a_history_of_length_0(self, source: RunSourceUnderTest) -> None:
        source.add("a", {})
        assert len(source.reader.histories([KEY])[KEY]) == 0

    def test_infinities_are_kept(self, source: RunSourceUnderTest) -> None:
        source.add("a", {"loss": [math.inf, -math.inf, 1.0]})
        assert list(source.reader.histories([KEY])[KEY].columns["loss"]) == [math.inf, -math.inf, 1.0]
