"""evaluate, register --archive, compare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import backend.cli as cli
from backend.domain.audit import AuditEvent
from tests.contract.archives import constant_model, good_archive, write_archive
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    monkeypatch.setattr(cli, "connect", lambda _: world.backend)
    return world


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, object]:
    code = cli.main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_an_archive_made_elsewhere_is_registered_evaluated_and_compared(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world.add_job("job-a")
    code, first = run(capsys, "register", "job-a")
    assert (code, first["version"], first["evaluation_error"]) == (0, 1, "")
    assert first["evaluation"]["measured_at"]
    assert first["evaluation"]["accuracy"] != 0.95, "what the training claims"
    bad = write_archive(tmp_path / "model.tar.gz", onnx=constant_model(7))
    code, second = run(capsys, "register", "--archive", str(bad))
    assert (code, second["version"], second["source_job"]) == (0, 2, "")
    assert second["evaluation"]["accuracy"] == pytest.approx(0.1)
    assert second["evaluation"]["test_sha256"] == first["evaluation"]["test_sha256"]

    code, answer = run(capsys, "compare", "1", "2")

    assert code == 0
    assert (answer["base"], answer["version"], answer["verdict"]) == (1, 2, "Worse")
    assert answer["accuracy"] == pytest.approx(0.1)
    assert (answer["fixed"] - answer["broken"]) / 200 == pytest.approx(answer["accuracy"] - answer["base_accuracy"])
    assert answer["ci"][0] < answer["difference"] < answer["ci"][1]
    assert answer["p_value"] < 0.001
    assert answer["sentence"].startswith("v2 is worse than v1: ")
    assert answer["data"]["sha256"] == first["evaluation"]["test_sha256"]
    assert run(capsys, "compare", "1", "2", "--on", "freehand")[1]["data"]["name"] == "freehand"


def test_several_versions_are_answered_as_a_list(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        archive = good_archive(tmp_path / f"{number}.tar.gz", sharpness=float(number))
        run(capsys, "register", "--archive", str(archive))
    code, answers = run(capsys, "compare", "1", "2", "3", "--margin", "1")
    assert (code, [answer["version"] for answer in answers]) == (0, [2, 3])
    assert {answer["equivalence"]["margin"] for answer in answers} == {0.01}
    code, evaluated = run(capsys, "evaluate", "2", "3", "--data", "digits8x8")
    assert [version["evaluation"]["dataset"] for version in evaluated] == ["digits8x8"] * 2
    cli.main(["compare", "1", "2"])
    assert "v2 is right and wrong on the same images as v1." in capsys.readouterr().out


def test_different_data_are_refused_with_the_command_that_helps(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for number, data in ((1, "mnist"), (2, "digits8x8")):
        archive = good_archive(tmp_path / f"{number}.tar.gz", sharpness=float(number))
        world.backend.registration.register_archive(archive, actor=world.backend.actor)
        run(capsys, "evaluate", str(number), "--data", data)
    code, refused = run(capsys, "compare", "1", "2")
    assert (code, refused["error"]["kind"]) == (4, "DifferentDataError")
    command = refused["error"]["hint"].removeprefix("python -m backend ").split()
    assert run(capsys, *command)[0] == 0
    assert run(capsys, "compare", "1", "2")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("evaluate", "9"), 3),
        (("compare", "1", "9"), 3),
        (("compare", "1", "1"), 2),
        (("compare", "1", "2", "--margin", "0"), 2),
        (("register", "--archive", "nowhere.tar.gz"), 3),
    ],
)
def test_what_cannot_be_has_its_exit_code(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    for number in (1, 2):
        archive = good_archive(tmp_path / f"{number}.tar.gz", sharpness=float(number))
        run(capsys, "register", "--archive", str(archive))
    assert run(capsys, *arguments)[0] == code


def test_what_cannot_be_evaluated_is_registered_all_the_same_and_says_so(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.add_job("job-a", onnx=b"no ONNX file at all")
    code = cli.main(["register", "job-a", "--json"])
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (code, document["version"]) == (0, 1)
    assert "is not an ONNX file" in document["evaluation_error"]
    assert "python -m backend evaluate 1" in printed.err
    assert _outcomes(world.backend.audit.list_events()) == [("evaluate", "failed"), ("register", "done")]


def _outcomes(events: list[AuditEvent]) -> list[tuple[str, str]]:
    return [(event.action, event.outcome) for event in events]
