"""What this machine may lack or hold in the way, met by a command and by `make run`: named, with what to do, no trace.

The product is copied into a folder of its own, so that the `.env` of a test is never the one of this repository.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.settings import ROOT

FOLDERS = ("app", "backend", "pages", ".streamlit")


class Installation:
    """A copy of the product; what its commands say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in FOLDERS:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.woff2"))
        kept = ("PATH", "HOME", "LANG")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ}

    def command(self, *verb: str) -> tuple[int, dict[str, str], str]:
        """Exit code, the error of the one document, and what a person reads."""
        done = self._run("-m", "backend", *verb, "--json")
        document = json.loads(done.stdout)
        return done.returncode, document["error"] if isinstance(document, dict) else {}, done.stderr

    def make_run(self) -> tuple[int, str]:
        """What `make run` ends with when it cannot start: exit code and words."""
        done = self._run("-m", "app")
        return done.returncode, done.stdout + done.stderr

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("product"))


@pytest.fixture
def installation(copied: Installation) -> Iterator[Installation]:
    yield copied
    (copied.root / ".env").unlink(missing_ok=True)
    copied.environment.pop("DIGITS_PORT", None)
    copied.environment.pop("DIGITS_HOME", None)


def test_an_env_file_that_cannot_be_read_is_named(installation: Installation) -> None:
    (installation.root / ".env").write_bytes(b"WANDB_API_KEY=secret\xff\xfe")
    code, error, told = installation.command("jobs", "list")
    assert (code, error["kind"]) == (5, "SetupError")
    assert "'.env' cannot be read" in error["message"]
    assert error["hint"] == f"Mend or remove {installation.root / '.env'}."
    code, said = installation.make_run()
    assert code == 5
    assert "'.env' cannot be read" in said
    for words in (told, said):
        assert "Traceback" not in words
        assert "secret" not in words


def test_a_setting_that_is_wrong_is_named_and_its_value_kept_back(installation: Installation) -> None:
    (installation.root / ".env").write_text("DIGITS_PORT=none-of-your-business\n")
    code, error, _ = installation.command("jobs", "list")
    assert (code, error["kind"]) == (2, "InvalidInputError")
    assert "DIGITS_PORT" in error["message"]
    code, said = installation.make_run()
    assert code == 2
    assert "Setting DIGITS_PORT is not valid" in said
    assert "none-of-your-business" not in said + error["message"]
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_named_with_another_to_choose(installation: Installation) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        installation.environment["DIGITS_PORT"] = str(port)
        code, said = installation.make_run()
    assert code == 5
    assert f"Port {port} is taken" in said
    assert "DIGITS_PORT=" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("what", ["a file", "no database"])
def test_a_state_folder_that_cannot_be_used_is_named(installation: Installation, tmp_path: Path, what: str) -> None:
    home = tmp_path / "home"
    if what == "a file":
        home.write_text("not a folder")
    else:
        home.mkdir()
        (home / "digits.sqlite3").write_bytes(b"this is no database" * 100)
    installation.environment["DIGITS_HOME"] = str(home)
    code, error, told = installation.command("jobs", "list")
    assert code == 5
    assert str(home) in error["message"]
    assert "Traceback" not in told
    installation.environment["DIGITS_PORT"] = str(_free_port())
    code, said = installation.make_run()
    assert code == 5
    assert str(home) in said
    assert "Traceback" not in said


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
