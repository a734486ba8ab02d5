from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.adapters.local import database as database_module
from backend.adapters.local.database import Database
from backend.adapters.local.deployments import LocalDeployments
from backend.adapters.local.migrations import MIGRATIONS
from backend.domain.gates import GateResult, GateStatus, Override
from backend.domain.promotion import Deployment, Outcome
from backend.domain.serving import ServedModel, Stage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEPLOYMENT = Deployment(
    id="prod-v2-a",
    stage=Stage.PROD,
    version=2,
    sha256="f" * 64,
    previous=ServedModel(version=1, sha256="e" * 64),
    requested_by="ada",
    started_at=NOON,
)
GATES = (
    GateResult(name="probe", status=GateStatus.FAILED, reason="4 are read wrong.", observed=0.98, threshold=0.99),
    GateResult(
        name="digest", status=GateStatus.PASSED, reason="The same.", observed="ffff", unit="SHA-256", overridable=False
    ),
    GateResult(name="same_data", status=GateStatus.NOT_APPLICABLE, reason="Prod serves nothing."),
)


def test_what_the_gates_said_and_who_overrode_them_is_kept(tmp_path: Path) -> None:
    store = LocalDeployments(Database(tmp_path / "digits.sqlite3"))
    override = Override(by="ada", reason="The probe is wrong about sevens.", gates=("probe",))
    kept = replace(DEPLOYMENT, gates=GATES, override=override)
    store.save(kept)
    assert store.get(kept.id) == kept
    done = replace(kept, outcome=Outcome.SUCCEEDED, ended_at=NOON)
    store.save(done)
    assert list(store.history(Stage.PROD)) == [done]


def test_a_record_older_than_gates_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "digits.sqlite3"
    before = next(n for n, statements in enumerate(MIGRATIONS) if any("gate_override" in text for text in statements))
    with monkeypatch.context() as patch:
        patch.setattr(database_module, "MIGRATIONS", MIGRATIONS[:before])
        Database(path)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO deployments (id, stage, version, sha256, requested_by, started_at, outcome, steps, error,"
            " hint) VALUES ('old', 'prod', 1, 'ff', 'ada', '2026-11-23T12:00:00+00:00', 'Succeeded', '[]', '', '')"
        )
    connection.close()
    old = LocalDeployments(Database(path)).get("old")
    assert (old.version, old.gates, old.override) == (1, (), None)
