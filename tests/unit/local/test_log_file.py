"""The log: one file for all processes of an installation, with the correlation id in each line."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from backend.adapters.local import log_file
from backend.adapters.local.home import Home
from backend.adapters.local.log_file import write_log
from backend.adapters.local.operations import LocalOperations
from backend.adapters.local.origin import read_origin
from backend.domain.correlation import VARIABLE, correlated


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    logger = logging.getLogger("digits")
    before = list(logger.handlers), logger.level
    yield
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:], logger.level = before


def test_each_line_has_the_id_of_what_was_being_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "digits.log"
    write_log(path)
    write_log(path)  # connecting again adds no second line
    logging.getLogger("digits.audit").info("nobody asked")
    with correlated("abc123"):
        logging.getLogger("digits.audit").info("ada: promote stage prod: Succeeded")
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("[-] digits.audit: nobody asked")
    assert lines[1].endswith("[abc123] digits.audit: ada: promote stage prod: Succeeded")
    assert capsys.readouterr().err == ""


def test_a_log_that_has_grown_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MAX_BYTES", 10)
    path = tmp_path / "digits.log"
    path.write_text("a long line of before\n")
    write_log(path)
    logging.getLogger("digits.x").info("new")
    assert path.read_text().endswith("new\n")
    assert path.with_name("digits.log.1").read_text() == "a long line of before\n"


def test_a_log_that_cannot_be_written_stops_no_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path / "file" / "digits.log")
    (tmp_path / "file").write_text("in the way")
    logging.getLogger("digits.x").info("lost")
    assert capsys.readouterr().err == ""


def test_an_operation_takes_over_the_id_of_who_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(
        "backend.adapters.local.operations.spawn_detached", lambda *_, env, **__: seen.append(dict(env))
    )
    operations = LocalOperations(Home(tmp_path), environment={})
    with correlated("abc123"):
        operations.start("one", ["doctor"])
    operations.start("two", ["doctor"])
    assert seen[0] == {VARIABLE: "abc123"}
    assert len(seen[1][VARIABLE]) == 8


CI: Final = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SHA": "a" * 40,
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_RUN_ID": "7",
}


class TestOrigin:
    def test_github_actions_names_commit_and_run(self, tmp_path: Path) -> None:
        found = read_origin(CI, tmp_path)
        assert (found.commit, found.run_url) == ("a" * 40, "https://github.com/o/r/actions/runs/7")

    def test_a_repository_names_its_commit(self, tmp_path: Path) -> None:
        git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run([*git, "init", "-q"], check=True)
        assert read_origin({}, tmp_path).commit == ""  # it has none yet
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
        head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        assert read_origin({}, tmp_path).commit == head

    def test_what_is_not_known_is_empty(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        found = read_origin({"GITHUB_ACTIONS": "true", "GITHUB_SHA": "<script>", "GITHUB_RUN_ID": "x"}, tmp_path)
        assert (found.commit, found.run_url) == ("", "")
        assert read_origin({}, tmp_path).commit == ""


def test_the_log_is_not_the_commands_output(tmp_path: Path) -> None:
    """What a command prints is its answer; a refusal is told once, in words."""
    code = "import backend.cli as cli, sys\nsys.exit(cli.main(['deployments', 'show', 'prod-v1-x']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", "DIGITS_HOME": str(tmp_path), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "No deployment 'prod-v1-x'.\n")
    assert "NotFoundError: No deployment 'prod-v1-x'." in (tmp_path / "digits.log").read_text()
