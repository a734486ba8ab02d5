"""The registry's files, when several processes or threads register at once."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from backend.adapters.local import database as database_module
from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.migrations import MIGRATIONS
from backend.adapters.local.packing import sha256_of
from backend.adapters.local.registry import LocalRegistry
from backend.domain.registry import DecisionKind

AT_ONCE = 6


def test_the_same_archive_is_registered_for_several_jobs_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    registry = LocalRegistry(Database(home.database), home)
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(b"weights" * 200_000)
    digest = sha256_of(archive)
    together = Barrier(AT_ONCE)

    def register(job: int) -> int:
        together.wait()
        made = registry.register(archive, sha256=digest, source_job=f"job-{job}", evaluation=None, registered_by="ada")
        return made.version

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert sorted(pool.map(register, range(AT_ONCE))) == list(range(1, AT_ONCE + 1))

    assert all(sha256_of(home.version(number)) == digest for number in range(1, AT_ONCE + 1))
    assert not list((tmp_path / "models").glob(".incoming*"))


def test_a_version_decided_before_decisions_were_kept_has_its_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    before = next(n for n, statements in enumerate(MIGRATIONS) if any("TABLE decisions" in text for text in statements))
    with monkeypatch.context() as patch:
        patch.setattr(database_module, "MIGRATIONS", MIGRATIONS[:before])
        Database(home.database)
    with sqlite3.connect(home.database) as connection:
        for version, approval, by, at in (
            (1, "Approved", "ada", "2026-11-23T12:00:00+00:00"),
            (2, "PendingManualApproval", "", None),
        ):
            connection.execute(
                "INSERT INTO model_versions VALUES (?, 'ff', 1, ?, NULL, ?, ?, 'fine', ?, 'ada', ?)",
                (version, f"job-{version}", approval, by, at, "2026-11-23T11:00:00+00:00"),
            )
    connection.close()
    registry = LocalRegistry(Database(home.database), home)
    assert [(d.kind, d.by, d.comment) for d in registry.decisions(1)] == [(DecisionKind.APPROVED, "ada", "fine")]
    assert list(registry.decisions(2)) == []
