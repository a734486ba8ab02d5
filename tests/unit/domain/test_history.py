from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backend.domain.audit import AuditEvent
from backend.domain.drift import DRIFTED, IN_STEP
from backend.domain.history import Era, drifts, era_at, eras
from backend.domain.promotion import Deployment, Outcome
from backend.domain.serving import ServedModel, Stage
from backend.domain.steps import Step, StepStatus

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def model(version: int) -> ServedModel:
    return ServedModel(version=version, sha256=str(version) * 64)


def deployment(minute: float, version: int, was: int = 0, outcome: Outcome = Outcome.SUCCEEDED) -> Deployment:
    """Begun at the minute, switched half a minute later, ended a minute later."""
    return Deployment(
        id=f"prod-v{version}-{minute:g}",
        stage=Stage.PROD,
        version=version,
        sha256=model(version).sha256,
        previous=model(was) if was else None,
        requested_by="ada",
        started_at=at(minute),
        ended_at=at(minute + 1),
        outcome=outcome,
        steps=(Step(name="switch", status=StepStatus.COMPLETED, ended_at=at(minute + 0.5)),),
    )


def deleted(minute: float) -> AuditEvent:
    return AuditEvent(at=at(minute), actor="bob", action="delete", subject="stage prod", outcome="done")


def told(found: list[Era]) -> list[tuple[int, float, float | None]]:
    """Version (0: nothing), from and until, in minutes."""

    def minute(moment: datetime | None) -> float | None:
        return None if moment is None else (moment - NOON) / timedelta(minutes=1)

    return [(era.model.version if era.model else 0, minute(era.since) or 0.0, minute(era.until)) for era in found]


def test_a_version_stands_from_its_switch_to_the_next_ones() -> None:
    history = [deployment(20, 1, was=2), deployment(10, 2, was=1), deployment(0, 1)]
    found = list(eras(history, [], model(1)))
    assert told(found) == [(1, 0.5, 10.5), (2, 10.5, 20.5), (1, 20.5, None)]
    assert era_at(found, at(0.4)) is None
    assert [era.deployment for moment in (0.5, 10.4, 10.5, 99) if (era := era_at(found, at(moment)))] == [
        "prod-v1-0",
        "prod-v1-0",
        "prod-v2-10",
        "prod-v1-20",
    ]


def test_what_failed_or_changed_nothing_begins_no_era() -> None:
    history = [
        deployment(0, 1),
        deployment(10, 2, was=1, outcome=Outcome.FAILED),
        deployment(20, 2, was=1, outcome=Outcome.ROLLED_BACK),
        deployment(30, 1, was=1, outcome=Outcome.UNCHANGED),
        deployment(40, 2, was=1, outcome=Outcome.IN_PROGRESS),
    ]
    assert told(list(eras(history, [], model(1)))) == [(1, 0.5, None)]


def test_a_deletion_ends_an_era_and_nothing_stands_until_the_next_deployment() -> None:
    found = list(eras([deployment(0, 1), deployment(20, 1)], [deleted(10)], model(1)))
    assert told(found) == [(1, 0.5, 10.0), (0, 10.0, 20.5), (1, 20.5, None)]
    assert (found[1].by, found[1].deployment) == ("bob", "")


def test_one_that_died_counts_if_the_next_one_found_it_serving() -> None:
    dead = deployment(10, 2, was=1, outcome=Outcome.INTERRUPTED)
    assert told(list(eras([deployment(0, 1), dead, deployment(20, 3, was=2)], [], model(3)))) == [
        (1, 0.5, 10.5),
        (2, 10.5, 20.5),
        (3, 20.5, None),
    ]
    assert told(list(eras([deployment(0, 1), dead, deployment(20, 3, was=1)], [], model(3)))) == [
        (1, 0.5, 20.5),
        (3, 20.5, None),
    ]
    assert told(list(eras([deployment(0, 1), dead], [], model(2)))) == [(1, 0.5, 10.5), (2, 10.5, None)]
    assert told(list(eras([deployment(0, 1), dead], [], model(1)))) == [(1, 0.5, None)]


def test_no_deployment_is_no_era() -> None:
    assert list(eras([], [deleted(1)], None)) == []
    assert era_at([], NOON) is None


def test_drifts_are_spans_between_the_guards_events() -> None:
    def event(minute: float, outcome: str) -> AuditEvent:
        return AuditEvent(
            at=at(minute),
            actor="guard",
            action="drift",
            subject="stage prod",
            outcome=outcome,
            after={"differences": f"version at {minute:g}"},
        )

    found = drifts([event(9, DRIFTED), event(3, IN_STEP), event(1, DRIFTED), event(12, DRIFTED)])
    assert [(span.since, span.until, span.differences) for span in found] == [
        (at(1), at(3), "version at 1"),
        (at(9), at(12), "version at 9"),
        (at(12), None, "version at 12"),
    ]
