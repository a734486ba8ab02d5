"""Files as they really are: growing, torn, damaged, resumed, hostile."""

from __future__ import annotations

import math
import os
import random
import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest

from backend.adapters.wandb import run_digest
from backend.adapters.wandb.log_format import BLOCK, FIRST_RECORD, FileState
from backend.adapters.wandb.offline import OfflineRuns
from backend.adapters.wandb.run_digest import Digest
from backend.domain.tracking import RunState
from backend.errors import NotFoundError
from tests.fakes.wandb_log import NOON, RunLog
from tests.unit.wandb.conftest import KEY, LOUD, loss, only


class TestGrowing:
    def test_rows_come_as_they_are_written(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            seen = []
            for value in range(5):
                log.log({"loss": float(value)})
                seen.append(loss(runs))
            assert seen == [[float(v) for v in range(n + 1)] for n in range(5)]
            assert only(runs).state is RunState.RUNNING
            log.exit()
            assert only(runs).state is RunState.FINISHED

    def test_what_was_handed_out_stays_as_it_was_while_the_run_goes_on(self, root: Path, runs: OfflineRuns) -> None:
        import numpy as np

        with RunLog(root, "a") as log:
            log.log({"loss": 1.0})
            before = np.frombuffer(runs.histories([KEY])[KEY].columns["loss"])
            log.log({"loss": 2.0})
            assert loss(runs) == [1.0, 2.0]
            assert before.tolist() == [1.0]

    def test_read_in_any_pieces_it_is_what_it_is_read_whole(self, root: Path) -> None:
        dice = random.Random(7)  # noqa: S311 - not for secrets
        with RunLog(root, "a", config={"lr": 0.1}) as log:
            for step in range(400):
                log.log({"loss": float(step), f"rare{step % 50}": 1.0, "note": "n" * dice.randrange(400)})
        content = log.path.read_bytes()
        whole = _read(log.path)
        for _ in range(30):
            cuts = sorted({dice.randrange(len(content)) for _ in range(dice.randrange(1, 30))})
            digest = Digest()
            copy = root / "copy"
            for cut in [*cuts, len(content)]:
                copy.write_bytes(content[:cut])
                state = FileState.of(copy)
                assert state is not None
                digest.read(str(copy), state)
            assert _plain(digest) == _plain(whole)
            assert (digest.summary, digest.damaged, digest.offset) == (whole.summary, 0, whole.offset)

    def test_a_file_that_was_replaced_is_read_from_its_beginning(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            for value in range(3):
                log.log({"loss": float(value)})
        assert loss(runs) == [0.0, 1.0, 2.0]
        elsewhere = root.parent / "other"
        with RunLog(elsewhere, "a") as other:
            other.log({"loss": 7.0})
        shutil.copy(other.path, log.path.with_suffix(".new"))
        log.path.with_suffix(".new").replace(log.path)
        assert loss(runs) == [7.0]

    def test_one_that_another_was_written_over_is_read_from_its_beginning(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            for value in range(3):
                log.log({"loss": float(value)})
        assert loss(runs) == [0.0, 1.0, 2.0]
        with RunLog(root.parent / "other", "a") as other:
            for value in range(7, 12):
                other.log({"loss": float(value)})
        with log.path.open("r+b") as file:  # the same inode, and longer than before
            file.write(other.path.read_bytes())
        assert loss(runs) == [7.0, 8.0, 9.0, 10.0, 11.0]


class TestDamage:
    def test_any_torn_tail_gives_the_rows_before_it(self, root: Path) -> None:
        with RunLog(root, "a") as log:
            for step in range(60):
                log.log({"loss": float(step), "note": LOUD})
        content = log.path.read_bytes()
        full = _read(log.path).history.columns["loss"].tolist()
        dice = random.Random(3)  # noqa: S311 - not for secrets
        for _ in range(100):
            log.path.write_bytes(content[: dice.randrange(len(content))])
            digest = _read(log.path)
            rows = digest.history.columns.get("loss")
            assert (rows.tolist() if rows is not None else []) == full[: len(digest.history.steps)]
            assert digest.damaged == 0

    def test_a_flipped_byte_loses_few_rows_and_is_counted(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            for step in range(300):
                log.log({"loss": float(step), "note": LOUD})
            log.exit()
        content = bytearray(log.path.read_bytes())
        assert len(content) > 8 * BLOCK
        content[3 * BLOCK + 500] ^= 0xFF
        log.path.write_bytes(content)
        run = runs.get_run(KEY)
        rows = loss(runs)
        assert run.damaged == 1
        assert run.state is RunState.FINISHED
        assert set(rows) <= {float(step) for step in range(300)}
        assert len(rows) >= 298

    @pytest.mark.parametrize("size", [0, 3, FIRST_RECORD])
    def test_a_run_that_has_just_begun_is_there(self, root: Path, runs: OfflineRuns, size: int) -> None:
        with RunLog(root, "a") as log:
            pass
        log.path.write_bytes(log.path.read_bytes()[:size])
        run = only(runs)
        assert (run.id, run.state, run.project, run.rows) == ("a", RunState.RUNNING, "uncategorized", 0)
        assert run.created_at == NOON
        assert ("no complete header" in run.notice) == (size < FIRST_RECORD)

    def test_a_newer_format_is_said_and_not_guessed_at(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            log.log({"loss": 1.0})
        content = bytearray(log.path.read_bytes())
        content[6] = 1
        log.path.write_bytes(content)
        assert "newer W&B (format 1)" in only(runs).notice

    def test_a_record_that_is_no_message_is_counted(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            log.append(b"\x12\x7fgarbage")
            log.log({"loss": 1.0})
        assert (only(runs).damaged, loss(runs)) == (1, [1.0])


class TestStates:
    @pytest.mark.parametrize(
        ("code", "state"),
        [(0, RunState.FINISHED), (1, RunState.FAILED), (255, RunState.FAILED), (254, RunState.CRASHED)],
    )
    def test_the_exit_code_tells(self, root: Path, runs: OfflineRuns, code: int, state: RunState) -> None:
        with RunLog(root, "a") as log:
            log.exit(code)
        assert (only(runs).state, only(runs).exit_code) == (state, code)

    def test_without_an_exit_it_runs_until_it_was_quiet_for_ten_minutes(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            log.log({"loss": 1.0})
        token = runs.token(), only(runs).revision
        old = time.time() - 601
        assert only(runs).state is RunState.RUNNING
        os.utime(log.path, (old, old))
        assert only(runs).state is RunState.CRASHED
        assert (runs.token(), only(runs).revision) != token

    def test_a_process_that_is_known_to_be_gone_has_crashed_at_once(self, root: Path, tmp_path: Path) -> None:
        alive = {"a": True}
        runs = OfflineRuns([root], tmp_path / "cache", alive=alive.get)
        with RunLog(root, "a") as log:
            log.log({"loss": 1.0})
        token = runs.token()
        assert only(runs).state is RunState.RUNNING
        alive["a"] = False
        assert only(runs).state is RunState.CRASHED
        assert runs.token() != token


class TestSegments:
    def test_a_resumed_run_is_one_with_its_parts_in_order(self, root: Path, runs: OfflineRuns) -> None:
        for part, offset in enumerate((0, 60)):
            with RunLog(root, "a", began=NOON + timedelta(minutes=offset), config={"part": part, str(part): 1}) as log:
                for step in range(3):
                    log.log({"loss": float(10 * part + step), **({"late": 1.0} if part else {})})
                log.exit(1 - part)
        run = runs.get_run(KEY)
        rows = runs.histories([KEY])[KEY]
        assert (run.state, run.rows, len(run.folders)) == (RunState.FINISHED, 6, 2)
        assert run.config == {"part": 1, "0": 1, "1": 1}, "what both say, in the later's words; and what each says"
        assert (list(rows.steps), rows.segments) == ([0, 1, 2, 0, 1, 2], (0, 3))
        assert list(rows.columns["loss"]) == [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]
        assert [value == value for value in rows.columns["late"]] == [False] * 3 + [True] * 3
        assert (run.stats["loss"].minimum, run.stats["loss"].maximum, run.stats["loss"].count) == (0.0, 12.0, 6)

    def test_what_a_failed_start_left_behind_says_nothing(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a", config={"lr": 1}) as log:
            log.log({"loss": 1.0})
            log.exit()
        with RunLog(root, "a", began=NOON + timedelta(minutes=1), offline=False):
            pass
        run = only(runs)
        assert (run.state, run.config["lr"], loss(runs)) == (RunState.FINISHED, 1, [1.0])
        assert only(runs) is run

    def test_a_start_that_has_not_said_its_project_is_no_run_of_its_own(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            log.log({"loss": 1.0})
        with RunLog(root, "a", began=NOON + timedelta(minutes=1)) as log:
            pass
        log.path.write_bytes(log.path.read_bytes()[:FIRST_RECORD])
        assert [run.key for run in runs.list_runs().runs] == [KEY]


class TestOtherPeoplesFolders:
    def test_links_and_what_is_no_run_are_passed_over(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root / "wandb", "a") as log:
            log.log({"loss": 1.0})
        (root / "wandb" / "latest-run").symlink_to(log.folder)
        (root / "wandb" / "run-20260101_000000-b").symlink_to(log.folder)
        (root / "wandb" / "sweep-xyz").mkdir()
        (root / "wandb" / "run-20260101_000000-empty").mkdir()
        pipe = root / "wandb" / "run-20260101_000000-pipe"
        pipe.mkdir()
        os.mkfifo(pipe / "run-pipe.wandb")
        assert [run.id for run in runs.list_runs().runs] == ["a"]

    def test_a_root_that_is_not_there_is_empty(self, tmp_path: Path) -> None:
        assert OfflineRuns([tmp_path / "nowhere"], tmp_path / "cache").list_runs().total == 0

    def test_media_that_leave_the_run_are_not_told_and_links_not_followed(
        self, root: Path, tmp_path: Path, runs: OfflineRuns
    ) -> None:
        (tmp_path / "secret").write_text("secret")
        with RunLog(root, "a") as log:
            for path in ("../../secret", "/etc/passwd", "media/link.png", "C:\\x.png"):
                log.log({"img": {"_type": "image-file", "path": path}})
        (log.folder / "files" / "media").mkdir()
        (log.folder / "files" / "media" / "link.png").symlink_to(tmp_path / "secret")
        (log.folder / "files" / "out").symlink_to(tmp_path)
        assert [item.path for item in runs.media(KEY)] == ["media/link.png"]
        for path in ("media/link.png", "out/secret"):
            with pytest.raises(NotFoundError):
                runs.read_media(KEY, path)

    def test_nested_configuration_as_older_and_newer_versions_write_it(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a", config={"optimizer": {"name": "adam", "lr": 0.1}}) as log:
            log.configure({"optimizer": {"lr": 0.2}, "seed": 3})
            record = run_digest.Record()
            item = record.config.update.add()
            item.key, item.value_json = b"model", b'{"layers": [1, 2]}'
            log.write(record)
        run = runs.get_run(KEY)
        assert run.config == {"optimizer": {"name": "adam", "lr": 0.2}, "seed": 3, "model": {"layers": [1, 2]}}

    @pytest.mark.parametrize(
        ("value", "told", "count"), [(math.nan, math.nan, 1), (math.inf, math.inf, 0), (True, 1.0, 0)]
    )
    def test_numbers_that_are_none_in_json(
        self, root: Path, runs: OfflineRuns, value: float, told: float, count: int
    ) -> None:
        with RunLog(root, "a") as log:
            log.log({"loss": value})
        rows = runs.histories([KEY])[KEY]
        assert repr(rows.columns["loss"][0]) == repr(told)
        assert rows.not_numbers.get("loss", 0) == count

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            (["_step"], b'"Infinity"'),
            (["_step"], b'"NaN"'),
            (["_step"], b"1e300"),
            (["k"] * 2000, b"1"),
            (["d"], b'{"a":' + b"9" * 400 + b"}"),
            (["d"], b'{"a":' * 5000 + b"1" + b"}" * 5000),
        ],
        ids=["infinite step", "no step", "huge step", "deep name", "huge number", "deep value"],
    )
    def test_one_odd_file_spoils_no_other_run(
        self, root: Path, runs: OfflineRuns, name: list[str], value: bytes
    ) -> None:
        with RunLog(root, "good") as log:
            log.log({"loss": 1.0})
        with RunLog(root, "a", began=NOON + timedelta(minutes=1)) as log:
            record = run_digest.Record()
            record.history.item.add(nested_key=[part.encode() for part in name], value_json=value)
            log.write(record)
            log.log({"loss": 2.0})
        assert [run.id for run in runs.list_runs().runs] == ["a", "good"]
        assert loss(runs)[-1:] == [2.0]
        assert runs.get_run("a").rows in (1, 2)

    def test_the_environment_is_told_in_pieces(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            for told in ({"os": b"Linux", "host": b"h", "python": b"3.11"}, {"cpu_count": 2}):
                record = run_digest.Record()
                for field, value in told.items():
                    setattr(record.environment, field, value)
                log.write(record)
        assert runs.get_run(KEY).environment == {"host": "h", "os": "Linux", "python": "3.11", "cpu_count": 2}

    def test_several_images_under_one_name(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            names = ["media/a.png", "media/b.png"]
            value = {"_type": "images/separated", "filenames": names, "captions": ["one", "two"], "width": 28}
            log.log({"samples": value})
        assert [(item.path, item.caption, item.width) for item in runs.media(KEY)] == [
            ("media/a.png", "one", 28),
            ("media/b.png", "two", 28),
        ]

    def test_metric_definitions(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            log.define("val/acc", step_metric="epoch", goal=2, summary="max")
            log.define("train/*", step_metric="batch")
        run = runs.get_run(KEY)
        exact, pattern = run.definition("val/acc"), run.definition("train/loss")
        assert exact is not None and (exact.step_metric, exact.goal, exact.summaries) == ("epoch", "maximize", ("max",))
        assert pattern is not None and pattern.step_metric == "batch"

    def test_a_console_line_that_was_drawn_over_is_what_was_drawn_last(self, root: Path, runs: OfflineRuns) -> None:
        with RunLog(root, "a") as log:
            for piece in ("10%\r", "55%\r100%\n", "done", " and gone\n", "\x1b[31mred"):
                log.print(piece)
        assert [line.text for line in runs.console(KEY).lines] == ["100%", "done and gone", "\x1b[31mred"]


def test_a_synced_run_says_so(root: Path, runs: OfflineRuns) -> None:
    with RunLog(root, "a") as log:
        log.log({"loss": 1.0})
    before = only(runs)
    Path(f"{log.path}.synced").touch()
    assert (before.synced, only(runs).synced) == (False, True)
    assert only(runs).revision != before.revision


def _plain(digest: Digest) -> dict[str, bytes]:
    """The rows as bytes: NaN is not equal to itself."""
    rows = digest.history
    columns = {name: column.tobytes() for name, column in rows.columns.items()}
    return {**columns, "steps": rows.steps.tobytes(), "times": rows.times.tobytes()}


def _read(path: Path) -> Digest:
    state = FileState.of(path)
    assert state is not None
    digest = Digest()
    digest.read(str(path), state)
    return digest
