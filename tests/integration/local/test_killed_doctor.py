"""A doctor that is killed leaves a Triton behind; the next one clears it away."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from backend.adapters.local.processes import FileLock
from backend.adapters.local.serving_proof import clear_killed_proofs
from backend.bootstrap import SERVING_ENVIRONMENT
from backend.settings import ROOT
from tests.contract.training_platforms import wait_until

PROOF = """
from backend.adapters.local.serving_proof import prove_serving
from backend.bootstrap import SERVING_ENVIRONMENT
prove_serving(SERVING_ENVIRONMENT)
"""


def tritons(folder: Path) -> list[str]:
    """Ids of processes that were told to work in this folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(folder) in file.read_bytes():
                found.append(file.parent.name)
        except OSError:  # it has just ended
            continue
    return found


def test_the_next_doctor_ends_what_a_killed_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    doctor = subprocess.Popen([sys.executable, "-c", PROOF], cwd=ROOT, env=environment)
    wait_until(
        lambda: any(b"tritonserver" in (Path("/proc") / pid / "cmdline").read_bytes() for pid in tritons(tmp_path)), 30
    )
    doctor.kill()
    doctor.wait()
    (left,) = tmp_path.glob("digits-doctor-*")
    assert tritons(left)

    clear_killed_proofs(SERVING_ENVIRONMENT)

    assert not left.exists()
    wait_until(lambda: not tritons(left), 10)


def test_a_doctor_that_lives_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (folder := tmp_path / "digits-doctor-lives").mkdir()
    with FileLock.acquire(folder / "proof.lock"):
        clear_killed_proofs(SERVING_ENVIRONMENT)
        assert folder.exists()
    clear_killed_proofs(SERVING_ENVIRONMENT)
    assert not folder.exists()
