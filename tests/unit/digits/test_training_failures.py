from __future__ import annotations

from pathlib import Path

import pytest

from backend.digits import train
from backend.digits.container import STOPPED, Folders, StopSignal
from backend.digits.failures import DatasetError
from backend.digits.tracking import Tracker


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.from_environ({"SM_OUTPUT_DIR": str(tmp_path / "output"), "SM_MODEL_DIR": str(tmp_path / "model")})


def run(monkeypatch: pytest.MonkeyPatch, folders: Folders, error: BaseException | None) -> int:
    def work(*_: object) -> None:
        if error:
            raise error

    monkeypatch.setattr(train, "train_and_evaluate", work)
    return train.run([], folders, Tracker({"WANDB_MODE": "disabled"}, print), StopSignal())


def failure(folders: Folders) -> str | None:
    path = folders.output / "failure"
    return path.read_text(encoding="utf-8") if path.exists() else None


def test_sagemakers_folders_are_used_where_they_are_given(tmp_path: Path) -> None:
    assert Folders.from_environ({}).output_data == Path("output/data")
    given = Folders.from_environ({"SM_MODEL_DIR": "/m", "SM_OUTPUT_DIR": "/o", "SM_OUTPUT_DATA_DIR": "/d"})
    assert given == Folders(
        model=Path("/m"), output=Path("/o"), output_data=Path("/d"), checkpoints=Path("checkpoints")
    )


def test_success_leaves_no_failure(monkeypatch: pytest.MonkeyPatch, folders: Folders) -> None:
    assert run(monkeypatch, folders, None) == 0
    assert failure(folders) is None


def test_bad_arguments_end_with_2_and_say_which(folders: Folders, capfd: pytest.CaptureFixture[str]) -> None:
    assert train.run(["--lr", "7"], folders, Tracker({"WANDB_MODE": "disabled"}, print), StopSignal()) == 2
    assert failure(folders) == "lr is '7.0'; expected a number from 1e-06 to 1.\n"
    assert "lr is '7.0'" in capfd.readouterr().err


def test_a_reason_of_our_own_is_given_as_it_is(
    monkeypatch: pytest.MonkeyPatch, folders: Folders, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, folders, DatasetError("'x.npz' is not a whole .npz file.")) == 1
    assert failure(folders) == "'x.npz' is not a whole .npz file.\n"
    assert "Traceback" in capfd.readouterr().err


def test_a_surprise_is_one_bounded_paragraph(monkeypatch: pytest.MonkeyPatch, folders: Folders) -> None:
    assert run(monkeypatch, folders, RuntimeError("no memory\n\n" + "x" * 5_000)) == 1
    reason = failure(folders)
    assert reason is not None
    assert reason.startswith("RuntimeError: no memory xxx")
    assert reason.count("\n") == 1
    assert len(reason) <= 1_025


def test_being_stopped_is_no_failure(monkeypatch: pytest.MonkeyPatch, folders: Folders) -> None:
    assert run(monkeypatch, folders, SystemExit(STOPPED)) == 143
    assert run(monkeypatch, folders, KeyboardInterrupt()) == 130
    assert failure(folders) is None


def test_a_failure_file_that_cannot_be_written_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").write_text("a file where a folder should be")
    folders = Folders.from_environ({"SM_OUTPUT_DIR": str(tmp_path / "output")})

    assert run(monkeypatch, folders, DatasetError("No images.")) == 1
    said = capfd.readouterr().err
    assert "No images." in said
    assert "could not be written" in said
