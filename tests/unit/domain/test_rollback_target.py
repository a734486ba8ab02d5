from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.domain.promotion import Deployment, DeploymentKind, Outcome, rollback_target
from backend.domain.serving import ServedModel, Stage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def model(version: int) -> ServedModel:
    return ServedModel(version=version, sha256=f"{version:064}")


def history(words: str) -> list[Deployment]:
    """Newest first, from words in order of time: `3` promoted, `3x` failed, `3=` unchanged, `<2` rolled back to."""
    deployments = []
    for minute, word in enumerate(words.split()):
        version = int(word.strip("<x="))
        outcome = Outcome.FAILED if "x" in word else Outcome.UNCHANGED if "=" in word else Outcome.SUCCEEDED
        deployments.append(
            Deployment(
                id=str(minute),
                kind=DeploymentKind.ROLLBACK if "<" in word else DeploymentKind.PROMOTE,
                stage=Stage.PROD,
                version=version,
                sha256=f"{version:064}",
                previous=None,
                requested_by="ada",
                started_at=NOON + timedelta(minutes=minute),
                outcome=outcome,
            )
        )
    return deployments[::-1]


@pytest.mark.parametrize(
    ("past", "target"),
    [
        ("", None),
        ("1", None),
        ("1 2", 1),
        ("1 3 2", 3),  # what served before, not the number before
        ("1 2x", None),  # what failed never served: 1 serves, and nothing before it
        ("1 2 3x", 1),
        ("1 2 2=", 1),
        ("1 2x 2=", 1),  # 2 was found to serve, although what brought it died before it could say so
        ("1 2 3 <2", 1),  # 3 was rolled back from: the next rollback goes further back
        ("1 2 <1", None),
        ("1 2 3 <2 4", 2),
        ("1 2 3 <2 <1", None),
        ("1 1 2", 1),
        ("1 2 1", 2),
    ],
)
def test_a_rollback_goes_to_what_served_well_before(past: str, target: int | None) -> None:
    expected = None if target is None else model(target)
    deployments = history(past)
    good = [d for d in deployments if d.outcome.is_good]
    assert rollback_target(deployments, model(good[0].version) if good else None) == expected


@pytest.mark.parametrize(
    ("past", "serving", "target"),
    [
        ("1 2 3x", 3, 2),  # 3 died after its switch, before it could say so: what it replaced served well
        ("1 2 <1x", 1, 2),  # so did a rollback: 2 is what it left
        ("1x", 1, None),
        ("1 2", None, 1),
    ],
)
def test_what_serves_without_a_word_is_rolled_back_to_what_it_replaced(
    past: str, serving: int | None, target: int | None
) -> None:
    found = rollback_target(history(past), None if serving is None else model(serving))
    assert found == (None if target is None else model(target))
