"""What every store of records keeps: deployments, audit events, operations, hard examples."""

from __future__ import annotations

from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backend.domain.audit import AuditEvent, AuditFilter
from backend.domain.operations import Operation, OperationStatus
from backend.domain.prediction import HardExample
from backend.domain.predictions import DataKind, LabelledImages, Predictions
from backend.domain.promotion import Deployment, DeploymentKind, Outcome
from backend.domain.serving import ServedModel, Stage
from backend.domain.steps import Step, StepStatus
from backend.errors import NotFoundError
from tests.contract.stores import Stores, stores

__all__ = ["stores"]

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def deployment(number: int, stage: Stage = Stage.STAGING, **given: object) -> Deployment:
    begun = NOON + timedelta(minutes=number)
    made = Deployment(
        id=f"{stage.value}-v{number}-abcd",
        stage=stage,
        version=number,
        sha256=f"{number:064x}",
        previous=ServedModel(version=9, sha256="9" * 64) if number > 1 else None,
        requested_by="Ada Lovelace <ada@example.org>",
        started_at=begun,
        steps=(Step(name="validate", status=StepStatus.COMPLETED, detail="“fine” → ok", started_at=begun),),
    )
    return replace(made, **given)  # type: ignore[arg-type]


def event(minute: int, subject: str = "stage staging", **given: object) -> AuditEvent:
    made = AuditEvent(
        at=NOON + timedelta(minutes=minute),
        actor="ada",
        action="promote",
        subject=subject,
        outcome="Succeeded",
        before={"version": None},
        after={"version": minute, "share": 0.5, "note": "ü"},
    )
    return replace(made, **given)  # type: ignore[arg-type]


class TestDeployments:
    def test_what_was_saved_is_read_as_it_was(self, stores: Stores) -> None:
        made = deployment(2, kind=DeploymentKind.ROLLBACK, error="no", hint="yes")
        stores.deployments.save(made)
        assert stores.deployments.get(made.id) == made
        with pytest.raises(NotFoundError, match="No deployment 'v2-abcd'"):
            stores.deployments.get("v2-abcd")

    def test_the_history_is_newest_first_of_one_stage_or_all(self, stores: Stores) -> None:
        assert list(stores.deployments.history()) == []
        for number in (2, 1, 3):
            stores.deployments.save(deployment(number))
        stores.deployments.save(deployment(4, Stage.PROD))
        assert [d.version for d in stores.deployments.history()] == [4, 3, 2, 1]
        assert [d.version for d in stores.deployments.history(Stage.STAGING)] == [3, 2, 1]

    def test_a_versions_deployments_are_found_by_stage(self, stores: Stores) -> None:
        assert list(stores.deployments.of_version(Stage.STAGING, 1)) == []
        for made in (deployment(1), deployment(11), deployment(1, Stage.PROD), deployment(1, id="own-id")):
            stores.deployments.save(made)
        found = stores.deployments.of_version(Stage.STAGING, 1)
        assert sorted(one.id for one in found) == ["own-id", "staging-v1-abcd"]

    def test_a_record_grows_until_it_is_finished_and_never_changes_again(self, stores: Stores) -> None:
        made = deployment(1)
        stores.deployments.save(made)
        assert stores.deployments.history()[0].outcome is Outcome.IN_PROGRESS
        grown = replace(made, steps=(*made.steps, Step(name="load")))
        stores.deployments.save(grown)
        assert stores.deployments.history()[0] == grown
        done = replace(grown, outcome=Outcome.SUCCEEDED, ended_at=NOON + timedelta(hours=1))
        stores.deployments.save(done)
        stores.deployments.save(replace(done, outcome=Outcome.FAILED))
        assert stores.deployments.get(made.id) == done
        assert list(stores.deployments.history()) == [done]


class TestAudit:
    def test_events_are_listed_newest_first_as_they_were(self, stores: Stores) -> None:
        assert list(stores.audit.list_events()) == []
        for minute in (2, 1, 3):
            stores.audit.append(event(minute))
        assert list(stores.audit.list_events()) == [event(3), event(2), event(1)]

    def test_two_events_of_one_moment_are_two(self, stores: Stores) -> None:
        for _ in range(2):
            stores.audit.append(event(1))
        assert len(stores.audit.list_events()) == 2

    def test_a_list_can_be_narrowed(self, stores: Stores) -> None:
        for minute in range(6):
            stores.audit.append(event(minute, "stage prod" if minute % 2 else "job a_b%"))
        assert [e.after["version"] for e in stores.audit.list_events(limit=2)] == [5, 4]
        assert [e.after["version"] for e in stores.audit.list_events(AuditFilter(subject="PROD"), limit=2)] == [5, 3]
        assert [e.after["version"] for e in stores.audit.list_events(AuditFilter(subject="a_b%"))] == [4, 2, 0]
        since, until = NOON + timedelta(minutes=2), NOON + timedelta(minutes=4)
        between = AuditFilter(since=since, until=until)
        assert [e.after["version"] for e in stores.audit.list_events(between)] == [3, 2]
        assert [e.after["version"] for e in stores.audit.list_events(limit=2, offset=3)] == [2, 1]
        assert (stores.audit.count(), stores.audit.count(between)) == (6, 2)
        assert stores.audit.count(AuditFilter(subject="prod", since=since)) == 2
        words = stores.audit.words()
        assert (len(words.actors), len(words.actions), len(words.outcomes)) == (1, 1, 1)


class TestEvaluations:
    def test_what_was_said_is_kept_by_archive_and_data_and_replaced(self, stores: Stores) -> None:
        data = LabelledImages(name="two", images=bytes(range(196)) * 8, labels=b"\x03\x07")
        said = Predictions(
            archive_sha256="a" * 64,
            kind=DataKind.FREEHAND,
            data_name="two",
            data_sha256=data.sha256,
            at=NOON,
            labels=data.labels,
            predicted=b"\x03\x01",
            probabilities=array("f", [0.1] * 20),
        )
        later = replace(said, at=NOON + timedelta(hours=1), predicted=b"\x03\x07")
        kept = stores.evaluations
        assert kept.predictions("a" * 64, DataKind.FREEHAND) is None
        kept.save(said)
        assert kept.predictions("a" * 64, DataKind.FREEHAND) == said
        kept.save(later)
        assert kept.predictions("a" * 64, DataKind.FREEHAND, data.sha256) == later
        assert [(e.n, e.right, e.at) for e in kept.evaluated("a" * 64)] == [(2, 2, later.at)]
        assert kept.predictions("a" * 64, DataKind.TEST) is None
        assert list(kept.evaluated("b" * 64)) == []

    def test_images_are_kept_once_under_their_digest(self, stores: Stores) -> None:
        data = LabelledImages(name="one", images=bytes(784), labels=b"\x05")
        for _ in range(2):
            stores.evaluations.save_data(data)
        assert stores.evaluations.data(data.sha256) == data
        with pytest.raises(NotFoundError, match="not kept"):
            stores.evaluations.data("c" * 64)


class TestOperations:
    def test_a_record_is_replaced_and_found_by_id_and_as_the_newest_of_its_kind(self, stores: Stores) -> None:
        assert stores.operations.latest("quickstart") is None
        with pytest.raises(NotFoundError, match="No operation 'one'"):
            stores.operations.get("one")
        first = Operation(id="one", kind="quickstart", requested_by="ada", started_at=NOON)
        second = replace(first, id="two", started_at=NOON + timedelta(seconds=1))
        other = replace(first, id="three", kind="sync", started_at=NOON + timedelta(seconds=2))
        for operation in (second, first, other):
            stores.operations.save(operation)
        done = replace(
            first,
            status=OperationStatus.COMPLETED,
            attempt=2,
            steps=(Step(name="train", status=StepStatus.COMPLETED, detail="fine"),),
            result={"job": "a", "version": 3, "seconds": 1.5},
            ended_at=NOON + timedelta(hours=1),
        )
        stores.operations.save(done)
        assert stores.operations.get("one") == done
        assert stores.operations.latest("quickstart") == second


class TestHardExamples:
    def test_the_same_example_is_kept_once_and_all_are_listed_newest_first(self, stores: Stores) -> None:
        assert list(stores.examples.list_examples()) == []
        made = [
            HardExample(
                id=f"id{number}",
                label=number,
                predicted=7,
                version=3,
                stage=Stage.PROD,
                at=NOON + timedelta(seconds=number),
                by="ada",
                pixels=bytes([number]) * 784,
                strokes='[{"width": 22}]',
            )
            for number in (1, 3, 2)
        ]
        for example in [*made, made[0]]:
            stores.examples.add(example)
        assert [example.label for example in stores.examples.list_examples()] == [3, 2, 1]
        assert stores.examples.list_examples()[2] == made[0]
        anew = replace(made[2], id="id4", label=9, at=NOON + timedelta(minutes=1))
        stores.examples.add(anew)
        assert list(stores.examples.list_examples()) == [anew, made[1], made[0]]  # a picture has one label
        stores.examples.add(made[2])
        assert stores.examples.remove("id3") == made[1]
        assert [example.label for example in stores.examples.list_examples()] == [2, 1]
        with pytest.raises(NotFoundError, match="No hard example 'id3'"):
            stores.examples.remove("id3")
