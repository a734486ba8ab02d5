"""What promoting and rolling back keep, over the adapters of every platform."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.adapters.triton.canary import canary_images
from backend.domain.gates import GateStatus
from backend.domain.promotion import STEPS, DeploymentKind, Outcome
from backend.domain.registry import Approval
from backend.domain.serving import ServedModel, Stage
from backend.domain.steps import StepStatus
from backend.errors import GateFailedError, StageBusyError, StalePlanError, WrongStateError
from backend.services.promotion import NOTHING
from tests.contract.promotion_platforms import ADA, Shop, shop

__all__ = ["shop"]

STAGE = Stage.STAGING


def served(shop: Shop) -> int | None:
    model = shop.serving.describe(STAGE).served
    return model.version if model else None


def test_a_promotion_serves_the_version_and_leaves_a_record_and_an_event(shop: Shop) -> None:
    deployment = shop.promotion.promote(STAGE, 1, actor=ADA, expected=NOTHING)
    assert deployment.outcome is Outcome.SUCCEEDED, deployment.error
    assert [(step.name, step.status) for step in deployment.steps] == [(name, StepStatus.COMPLETED) for name in STEPS]
    assert shop.deployments.get(deployment.id) == deployment
    assert shop.serving.describe(STAGE).served == ServedModel(version=1, sha256=shop.registry.get(1).sha256)
    assert shop.serving.predict(STAGE, canary_images()).version == 1
    event = shop.audit.list_events()[0]
    assert (event.actor, event.action, event.subject, event.outcome) == ("ada", "promote", "stage staging", "Succeeded")


def test_a_version_that_a_gate_keeps_back_goes_past_it_only_with_a_reason_that_is_kept(shop: Shop) -> None:
    shop.registry.set_approval(2, Approval.REJECTED, by="bob", comment="not yet")
    with pytest.raises(GateFailedError, match="approved"):
        shop.promotion.promote(STAGE, 2, actor=ADA)
    assert served(shop) is None
    done = shop.promotion.promote(STAGE, 2, actor=ADA, override="Bob's doubts were about version 1.")
    assert (done.outcome, served(shop)) == (Outcome.SUCCEEDED, 2)
    kept = shop.deployments.get(done.id)
    assert kept.override is not None
    assert (kept.override.gates, kept.override.reason) == (("approved",), "Bob's doubts were about version 1.")
    assert {gate.name: gate.status for gate in kept.gates} == {
        "digest": GateStatus.PASSED,
        "approved": GateStatus.FAILED,
    }


def test_the_same_promotion_again_is_unchanged(shop: Shop) -> None:
    shop.promotion.promote(STAGE, 1, actor=ADA)
    assert shop.promotion.promote(STAGE, 1, actor=ADA).outcome is Outcome.UNCHANGED


def test_a_stage_that_changed_since_the_plan_is_left_alone(shop: Shop) -> None:
    first = shop.promotion.promote(STAGE, 1, actor=ADA)
    shop.promotion.promote(STAGE, 2, actor=ADA, expected=first.sha256[:12])
    for expected in (first.sha256, NOTHING):
        with pytest.raises(StalePlanError):
            shop.promotion.promote(STAGE, 3, actor=ADA, expected=expected)
    assert served(shop) == 2
    assert shop.audit.list_events()[0].outcome == "refused"


def test_rollbacks_go_down_the_stack(shop: Shop) -> None:
    for number in (1, 2, 3):
        shop.promotion.promote(STAGE, number, actor=ADA)
    assert [shop.promotion.roll_back(STAGE, actor=ADA).version for _ in range(2)] == [2, 1]
    assert served(shop) == 1
    with pytest.raises(WrongStateError):
        shop.promotion.roll_back(STAGE, actor=ADA)
    history = shop.promotion.history(STAGE)
    assert [(d.version, d.kind) for d in history[:2]] == [(1, DeploymentKind.ROLLBACK), (2, DeploymentKind.ROLLBACK)]
    assert history[0].previous == ServedModel(version=2, sha256=history[1].sha256)


def test_a_stage_that_is_being_changed_is_refused_by_name(shop: Shop) -> None:
    with shop.serving.hold(STAGE, "bob, deployment 7"):
        with pytest.raises(StageBusyError, match="bob, deployment 7"):
            shop.promotion.promote(STAGE, 1, actor=ADA)
    assert served(shop) is None
    assert list(shop.deployments.history()) == []


def test_a_record_whose_process_died_reads_interrupted_and_promoting_again_finishes(shop: Shop) -> None:
    done = shop.promotion.promote(STAGE, 1, actor=ADA)
    left = replace(done, id="staging-v2-dead", version=2, sha256="2" * 64, outcome=Outcome.IN_PROGRESS, ended_at=None)
    shop.deployments.save(left)
    with shop.serving.hold(STAGE, "its process, as long as it lives"):
        assert shop.deployments.get(left.id).outcome is Outcome.IN_PROGRESS
        assert Outcome.INTERRUPTED not in [d.outcome for d in shop.promotion.history(STAGE)]
    assert Outcome.INTERRUPTED in [d.outcome for d in shop.promotion.history(STAGE)]
    assert shop.deployments.get(left.id).outcome is Outcome.INTERRUPTED
    assert shop.promotion.promote(STAGE, 2, actor=ADA).outcome is Outcome.SUCCEEDED
    assert served(shop) == 2
