"""Each gate: what passes it, what does not by how little, and that what nobody looked at is no pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.domain.gates import LIMITS, Gate, GateName, GateResult, GateStatus, StagingLook
from backend.domain.identity import Actor, Role
from backend.domain.predictions import DataKind
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import ServedModel, Stage
from backend.errors import DeploymentFailedError, GateFailedError
from tests.fakes.backend import NOON, make_world
from tests.fakes.predictions import add_versions, measured, says
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.APPROVER)
PASSED, FAILED, MISSING, NOT_APPLICABLE = (
    GateStatus.PASSED,
    GateStatus.FAILED,
    GateStatus.MISSING_EVIDENCE,
    GateStatus.NOT_APPLICABLE,
)
DIGEST = Gate(name=GateName.DIGEST)
APPROVED = Gate(name=GateName.APPROVED)
SAME_DATA = Gate(name=GateName.SAME_DATA)
NOT_WORSE = Gate(name=GateName.NOT_WORSE, limits={"alpha": 0.05, "margin": 0.002})
FREEHAND = Gate(name=GateName.FREEHAND, limits={"alpha": 0.05, "margin": 0.01})
RECALL = Gate(name=GateName.RECALL_FLOOR, limits={"at_least": 0.9})
STAGING_FIRST = Gate(name=GateName.STAGING_FIRST)
LATENCY = Gate(name=GateName.LATENCY, limits={"p99_ms": 100.0})
PROBE = Gate(name=GateName.PROBE, limits={"at_least": 0.99})


class Shop:
    """Versions 1 to 3; no gate is declared until `gate` asks one, so that a test can bring about what it needs."""

    def __init__(self, folder: Path) -> None:
        self._declared: dict[Stage, tuple[Gate, ...]] = dict.fromkeys(Stage, ())
        self.serving = FakeServing(folder / "locks")
        self.world = make_world(folder / "home", self.serving, gates=self._declared)
        add_versions(self.world, 3, folder)

    def serve(self, version: int, stage: Stage = Stage.PROD) -> None:
        done = self.world.backend.promotion.promote(stage, version, actor=ADA)
        assert done.outcome.is_good

    def declare(self, *gates: Gate) -> None:
        self._declared[Stage.PROD] = gates

    def said(self, gate: Gate, version: int = 2, look: StagingLook | None = None) -> GateResult:
        """Of the version on its way to prod."""
        self.declare(gate)
        backend = self.world.backend
        plan = backend.promotion.plan(Stage.PROD, version)
        (result,) = backend.gates.evaluate(plan, None if look is None else lambda _: look)
        self.declare()
        return result

    def target(self, version: int) -> ServedModel:
        return ServedModel(version=version, sha256=self.world.backend.registry.get(version).sha256)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


class TestDigest:
    def test_the_registered_bytes_pass(self, shop: Shop) -> None:
        said = shop.said(DIGEST)
        assert (said.status, said.observed) == (PASSED, said.threshold)

    def test_other_bytes_fail_and_nobody_can_override_it(self, shop: Shop) -> None:
        archive = shop.world.home.version(2)
        archive.chmod(0o644)
        archive.write_bytes(archive.read_bytes() + b"\0")
        said = shop.said(DIGEST)
        assert (said.status, said.overridable) == (FAILED, False)
        assert said.observed != said.threshold
        shop.declare(DIGEST)
        with pytest.raises(GateFailedError):
            shop.world.backend.promotion.promote(Stage.PROD, 2, actor=ADA, override="I know what I am doing here.")

    def test_an_archive_that_is_gone_is_no_pass_either(self, shop: Shop) -> None:
        shop.world.home.version(2).unlink()
        said = shop.said(DIGEST)
        assert (said.status, said.overridable) == (MISSING, False)


@pytest.mark.parametrize(
    ("approval", "status"), [(None, FAILED), (Approval.REJECTED, FAILED), (Approval.APPROVED, PASSED)]
)
def test_approved(shop: Shop, approval: Approval | None, status: GateStatus) -> None:
    if approval is not None:
        shop.world.backend.registration.decide(2, approval, actor=ADA, comment="because of the sevens")
    said = shop.said(APPROVED)
    assert said.status is status
    assert approval is None or "ada" in said.reason
    assert approval is None or "because of the sevens" in said.reason


class TestSameData:
    def test_the_very_same_images(self, shop: Shop) -> None:
        shop.serve(1)
        says(shop.world, 1, ())
        theirs = says(shop.world, 2, ())
        said = shop.said(SAME_DATA)
        assert (said.status, said.observed, said.threshold) == (PASSED, theirs[:12], theirs[:12])

    def test_other_images_as_many(self, shop: Shop) -> None:
        shop.serve(1)
        theirs = says(shop.world, 1, (), seed=1)
        says(shop.world, 2, (), seed=2)
        said = shop.said(SAME_DATA)
        assert said.status is FAILED
        assert f"python -m backend evaluate 2 --data {theirs}" in said.hint

    @pytest.mark.parametrize("tried", [1, 2])
    def test_one_of_the_two_was_never_tried(self, shop: Shop, tried: int) -> None:
        shop.serve(1)
        says(shop.world, tried, ())
        said = shop.said(SAME_DATA)
        assert said.status is MISSING
        assert f"python -m backend evaluate {3 - tried}" in said.hint


class TestNotWorse:
    @pytest.mark.parametrize(
        ("old", "new", "n", "status"),
        [
            (range(50), range(20), 1_000, PASSED),  # better
            (range(50), range(50), 1_000, PASSED),  # the same
            (range(50), range(55), 1_000, PASSED),  # 5 broken, p = 0.06: cannot tell
            (range(50), range(56), 1_000, FAILED),  # 6 broken, p = 0.03
            (range(0), range(50), 1_000, FAILED),
            (range(2), range(2, 15), 10_000, PASSED),  # p = 0.007, and the whole loss is below 0.2 points
            (range(2), range(2, 25), 10_000, FAILED),  # p < 0.001, and it may be more
        ],
    )
    def test_by_how_little(self, shop: Shop, old: range, new: range, n: int, status: GateStatus) -> None:
        shop.serve(1)
        says(shop.world, 1, old, n=n)
        says(shop.world, 2, new, n=n)
        said = shop.said(NOT_WORSE)
        assert said.status is status
        assert said.observed == pytest.approx((len(old) - len(new)) / n)
        assert said.threshold == -0.002

    def test_the_margin_and_the_level_are_those_that_are_declared(self, shop: Shop) -> None:
        shop.serve(1)
        says(shop.world, 1, range(50))
        says(shop.world, 2, range(56))
        for alpha, margin, status in ((0.05, 0.002, FAILED), (0.01, 0.002, PASSED), (0.05, 0.02, PASSED)):
            gate = Gate(name=GateName.NOT_WORSE, limits={"alpha": alpha, "margin": margin})
            assert shop.said(gate).status is status, (alpha, margin)

    @pytest.mark.parametrize("tried", [(), (1,), (2,)])
    def test_what_was_not_tried_is_no_pass(self, shop: Shop, tried: tuple[int, ...]) -> None:
        shop.serve(1)
        for version in tried:
            says(shop.world, version, ())
        said = shop.said(NOT_WORSE)
        assert said.status is MISSING
        for version in {1, 2} - set(tried):
            assert f"evaluate {version}" in said.hint

    def test_results_on_other_images_do_not_count(self, shop: Shop) -> None:
        shop.serve(1)
        says(shop.world, 1, range(50), seed=1)
        says(shop.world, 2, range(0), seed=2)
        assert shop.said(NOT_WORSE).status is MISSING

    def test_the_drawings_are_asked_for_themselves(self, shop: Shop) -> None:
        shop.serve(1)
        for version in (1, 2):
            says(shop.world, version, ())
        assert shop.said(FREEHAND).status is MISSING, "the test set is no drawing"
        says(shop.world, 1, range(50), kind=DataKind.FREEHAND, seed=5)
        says(shop.world, 2, range(80), kind=DataKind.FREEHAND, seed=5)
        assert shop.said(FREEHAND).status is FAILED
        assert shop.said(NOT_WORSE).status is PASSED


class TestNothingToCompareWith:
    GATES = (SAME_DATA, NOT_WORSE, FREEHAND, Gate(name=GateName.HARD_EXAMPLES, limits={"tolerance": 0.02}))

    @pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name.value)
    def test_nothing_serves_yet(self, shop: Shop, gate: Gate) -> None:
        said = shop.said(gate)
        assert (said.status, said.status.blocks) == (NOT_APPLICABLE, False)
        assert "nothing to compare with" in said.reason

    @pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name.value)
    def test_the_very_bytes_serve(self, shop: Shop, gate: Gate) -> None:
        shop.serve(2)
        assert shop.said(gate).status is NOT_APPLICABLE

    @pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name.value)
    def test_what_serves_is_unknown_to_the_registry(self, shop: Shop, gate: Gate) -> None:
        """Something is there to compare with, and nobody can: that is no pass."""
        shop.serve(1)
        shop.declare(gate)
        plan = replace(shop.world.backend.promotion.plan(Stage.PROD, 2), incumbent=None)
        (said,) = shop.world.backend.gates.evaluate(plan)
        assert said.status is MISSING


class TestRecallFloor:
    """Each digit has 100 of the 1,000 images; the threes are those at places 3, 13, 23 ..."""

    @pytest.mark.parametrize(("wrong", "status"), [(9, PASSED), (10, PASSED), (11, FAILED)])
    def test_the_worst_digit_decides(self, shop: Shop, wrong: int, status: GateStatus) -> None:
        says(shop.world, 2, [10 * place + 3 for place in range(wrong)])
        said = shop.said(RECALL)
        assert (said.status, said.observed, said.threshold) == (status, pytest.approx(1 - wrong / 100), 0.9)
        assert "3s" in said.reason

    def test_what_the_archive_did_counts_and_not_what_its_training_says(self, shop: Shop) -> None:
        assert shop.said(RECALL).status is MISSING
        measured(shop.world, 2, latency_ms=1.0)
        claimed = shop.said(RECALL)
        assert (claimed.status, claimed.observed) == (FAILED, 0.5), "as long as nobody has run it"
        says(shop.world, 2, ())
        said = shop.said(RECALL)
        assert (said.status, said.observed) == (PASSED, 1.0)


class TestStagingFirst:
    def test_it_must_have_served_there_well_once(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        assert shop.said(STAGING_FIRST).status is FAILED
        shop.serve(1, Stage.STAGING)
        assert shop.said(STAGING_FIRST).status is FAILED, "another version did"
        with monkeypatch.context() as broken:

            def refuse(*_: object) -> None:
                raise DeploymentFailedError("It does not load.")

            broken.setattr(shop.serving, "deploy", refuse)
            tried = shop.world.backend.promotion.promote(Stage.STAGING, 2, actor=ADA)
            assert tried.outcome is Outcome.FAILED
        said = shop.said(STAGING_FIRST)
        assert said.status is FAILED, "a try is not enough"
        assert tried.id in said.reason
        shop.serve(2, Stage.STAGING)
        shop.serve(3, Stage.STAGING)
        assert shop.said(STAGING_FIRST).status is PASSED, "it need not serve there still"

    def test_to_have_served_on_prod_is_not_it(self, shop: Shop) -> None:
        shop.serve(2)
        shop.serve(1)
        assert shop.said(STAGING_FIRST).status is FAILED


class TestOnStaging:
    def look(self, shop: Shop, **given: object) -> StagingLook:
        told = {
            "model": shop.target(2),
            "at": NOON,
            "digits": 200,
            "asked": 200,
            "failed": 0,
            "right": 200,
            "p50_ms": 5.0,
            "p99_ms": 9.0,
            **given,
        }
        return StagingLook(**told)  # type: ignore[arg-type]

    @pytest.mark.parametrize(("p99", "status"), [(9.0, PASSED), (100.0, PASSED), (100.1, FAILED), (None, MISSING)])
    def test_latency(self, shop: Shop, p99: float | None, status: GateStatus) -> None:
        shop.serve(2, Stage.STAGING)
        said = shop.said(LATENCY, look=self.look(shop, p99_ms=p99))
        assert (said.status, said.threshold, said.unit) == (status, 100.0, "ms")
        assert said.observed == p99

    @pytest.mark.parametrize(
        ("given", "status"),
        [
            ({"right": 200}, PASSED),
            ({"right": 198}, PASSED),
            ({"right": 197}, FAILED),
            ({"right": 197, "failed": 3}, FAILED),
            # Given up midway: what was not asked was not read right.
            ({"asked": 50, "right": 50}, FAILED),
        ],
    )
    def test_known_digits(self, shop: Shop, given: dict[str, int], status: GateStatus) -> None:
        shop.serve(2, Stage.STAGING)
        said = shop.said(PROBE, look=self.look(shop, **given))
        assert (said.status, said.observed) == (status, given["right"] / 200)

    @pytest.mark.parametrize("gate", [LATENCY, PROBE], ids=lambda gate: gate.name.value)
    def test_while_staging_serves_something_else_there_is_no_evidence(self, shop: Shop, gate: Gate) -> None:
        never = self.look(shop, right=0)
        assert shop.said(gate, look=never).status is MISSING
        shop.serve(1, Stage.STAGING)
        said = shop.said(gate, look=never)
        assert said.status is MISSING
        assert "python -m backend promote 2 --to staging" in said.hint

    def test_the_endpoint_itself_is_asked(self, shop: Shop) -> None:
        """Without a look that a page has kept."""
        shop.serve(2, Stage.STAGING)
        assert shop.said(LATENCY).observed is not None
        said = shop.said(PROBE)
        assert isinstance(said.observed, float)
        assert said.status in (PASSED, FAILED)


def test_gates_are_asked_again_when_it_comes_to_it_whatever_was_shown(shop: Shop) -> None:
    """A page showed that all pass; meanwhile somebody rejected the version."""
    backend = shop.world.backend
    backend.registration.decide(2, Approval.APPROVED, actor=ADA)
    assert shop.said(APPROVED).status is PASSED
    shop.declare(APPROVED)
    backend.registration.decide(2, Approval.REJECTED, actor=ADA)
    with pytest.raises(GateFailedError) as refused:
        backend.promotion.promote(Stage.PROD, 2, actor=ADA)
    assert [gate.status for gate in refused.value.gates] == [FAILED]
    assert backend.serving.describe(Stage.PROD).served is None
    event = backend.audit.list_events(limit=1)[0]
    assert (event.action, event.outcome, event.after["gates"]) == ("promote", "refused", {"approved": "Failed"})


def test_every_gate_is_tried_here() -> None:
    tried = (DIGEST, APPROVED, SAME_DATA, NOT_WORSE, FREEHAND, RECALL, STAGING_FIRST, LATENCY, PROBE)
    assert {gate.name for gate in tried} == set(LIMITS) - {GateName.HARD_EXAMPLES}, "that one is in test_example_sets"
