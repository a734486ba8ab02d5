"""The registry's files, when several processes or threads register at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.packing import sha256_of
from backend.adapters.local.registry import LocalRegistry

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
