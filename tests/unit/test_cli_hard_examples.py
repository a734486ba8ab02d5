"""`hard-examples` and `samples` on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.services.prediction import seen_from_file
from tests.fakes.backend import World
from tests.fakes.command_line import run, world
from tests.unit.services.test_launching import example

__all__ = ["world"]


def test_a_set_is_kept_listed_exported_and_tried(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "hard-examples", "keep", "sevens")[0] == 4
    world.backend.examples.add(example(10, 7))
    code, kept = run(capsys, "hard-examples", "keep", "sevens", "--comment", "crossed")
    assert (code, kept["name"], kept["examples"], kept["comment"]) == (0, "sevens", 1, "crossed")
    assert run(capsys, "hard-examples", "sets") == (0, [kept])

    world.backend.examples.add(example(20, 2, 1))
    file = tmp_path / "set.npz"
    _, exported = run(capsys, "hard-examples", "export", str(file), "--set", "sevens")
    assert (exported["examples"], exported["sha256"]) == (1, kept["sha256"])
    with np.load(file) as members:
        assert members["labels"].tolist() == [7]
    assert run(capsys, "hard-examples", "export", str(file))[1]["examples"] == 2
    assert run(capsys, "hard-examples", "export", str(file), "--set", "eights")[0] == 3

    assert run(capsys, "evaluate", "1", "--hard-examples", "sevens")[0] == 0
    tried = {one.data_name: one.n for one in world.backend.evaluations.evaluated(world.backend.registry.get(1).sha256)}
    assert (tried["sevens"], tried["hard-examples"]) == (1, 2)


def test_pictures_are_corrected_as_the_page_corrects_a_drawing(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = np.full((280, 280), 255, np.uint8)
    paper[40:241, 130:151] = 0
    Image.fromarray(paper).save(tmp_path / "scan.png")
    seen = seen_from_file((tmp_path / "scan.png").read_bytes())
    np.save(tmp_path / "seen.npy", seen.pixels)
    code, (said,) = run(capsys, "predict", "--stage", "staging", str(tmp_path / "scan.png"))
    assert (code, said["inverted"]) == (0, True)
    assert run(capsys, "predict", "--stage", "staging", str(tmp_path / "seen.npy"))[1][0]["inverted"] is False

    label = (said["label"] + 1) % 10
    asked = ("hard-examples", "add", "--stage", "staging", "--label", str(label))
    code, kept = run(capsys, *asked, str(tmp_path / "scan.png"), str(tmp_path / "seen.npy"))
    assert (code, [(one["label"], one["predicted"]) for one in kept]) == (0, [(label, said["label"])] * 2)
    (example,) = world.backend.examples.list_examples()  # the very same picture is kept once
    assert (example.pixels, example.version) == (seen.pixels.tobytes(), said["version"])
    event = world.backend.audit.list_events()[0]
    assert (event.action, event.outcome) == ("correct", "done")
    assert run(capsys, *asked[:-1], "10", str(tmp_path / "scan.png"))[0] == 2
    assert run(capsys, *asked, str(tmp_path / "nowhere.png"))[0] == 3


def test_samples_are_asked_and_judged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = run(capsys, "samples", "--digit", "7", "--count", "3", "--ask")
    assert (code, [one["label"] for one in found]) == (0, [7, 7, 7])
    assert {one["data"] for one in found} == {"known digits"}
    assert {one["difficulty"] for one in found} == {None}
    run(capsys, "evaluate", "1")
    _, wrong = run(capsys, "samples", "--difficulty", "wrong", "--ask")
    assert wrong
    assert {one["data"] for one in wrong} == {"mnist"}
    for one in wrong:
        asked = one["asked"]["staging"]
        assert (asked["right"], asked["version"]) == (False, 1)
        assert asked["label"] != one["label"]
    assert "prod" not in wrong[0]["asked"]
    assert run(capsys, "samples", "--count", "0")[0] == 2
