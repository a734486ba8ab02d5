"""What goes wrong on SageMaker while an endpoint is changed, and what must come of it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.adapters.triton.canary import canary_images
from backend.domain.promotion import Outcome
from backend.domain.serving import EndpointStatus, ServedModel, Stage
from backend.domain.steps import StepStatus
from backend.errors import (
    AccessError,
    DeploymentFailedError,
    GateFailedError,
    StageBusyError,
    StoreError,
    ThrottledError,
)
from tests.contract.promotion_platforms import ADA, Shop, sagemaker_shop
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.faults import EXPIRED, THROTTLED
from tests.fakes.aws.hosted import INSTANCE, serving_on
from tests.fakes.aws.serving import set_alarm

STAGE = Stage.STAGING
UNEVALUATED = "These versions were never evaluated."
NAME = STAGE.endpoint_name


@pytest.fixture
def shop(aws: FakeAws, tmp_path: Path) -> Shop:
    """Version 1 serves; 2 and 3 are approved."""
    made = sagemaker_shop(aws, tmp_path)
    made.stock(tmp_path)
    assert made.promotion.promote(STAGE, 1, actor=ADA).outcome is Outcome.SUCCEEDED
    aws.server.calls.clear()
    return made


def served(shop: Shop) -> int | None:
    model = shop.serving.describe(STAGE).served
    return model.version if model else None


class TestSilentRollback:
    @pytest.mark.parametrize("reason", ["The primary container did not pass the ping health check.", " "])
    def test_an_update_that_went_back_is_told_with_its_reason(self, aws: FakeAws, shop: Shop, reason: str) -> None:
        aws.serving.endpoints.fail_next(reason)
        deployment = shop.promotion.promote(STAGE, 2, actor=ADA)
        assert deployment.outcome is Outcome.ROLLED_BACK
        assert "went back to version 1" in deployment.error
        expected = reason if reason.strip() else "SageMaker gives no reason, and no alarm is on"
        assert expected in deployment.hint
        assert [s.status for s in deployment.steps if s.name == "switch"] == [StepStatus.FAILED]
        endpoint = shop.serving.describe(STAGE)
        assert endpoint.status is EndpointStatus.IN_SERVICE
        assert endpoint.wanted == endpoint.served == deployment.previous
        assert shop.audit.list_events()[0].outcome == "RolledBack"

    def test_an_alarm_that_went_off_is_named(self, aws: FakeAws, shop: Shop, tmp_path: Path) -> None:
        from backend.adapters.sagemaker.alarms import Alarms

        names = Alarms(aws.connect()).create(NAME)
        set_alarm(names[0], "ALARM", "Threshold Crossed: 1 datapoint [3.0] was greater than the threshold (0.0)")
        deployment = shop.promotion.promote(STAGE, 2, actor=ADA)
        assert deployment.outcome is Outcome.ROLLED_BACK
        assert f"the alarm '{names[0]}' went off: Threshold Crossed" in deployment.hint
        (update,) = aws.server.requests("UpdateEndpoint")
        alarms = update["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
        assert [alarm["AlarmName"] for alarm in alarms] == list(names)

    def test_a_way_back_that_failed_too_is_a_failure(self, aws: FakeAws, shop: Shop) -> None:
        aws.serving.endpoints.fail_next("No capacity.", stuck=True)
        deployment = shop.promotion.promote(STAGE, 2, actor=ADA)
        assert deployment.outcome is Outcome.FAILED
        assert "UpdateRollbackFailed after the change: No capacity." in deployment.error
        assert shop.serving.describe(STAGE).status is EndpointStatus.FAILED

    def test_a_first_fleet_that_does_not_start_leaves_nothing(self, aws: FakeAws, shop: Shop) -> None:
        aws.serving.endpoints.fail_next("CannotStartContainerError.")
        deployment = shop.promotion.promote(Stage.PROD, 1, actor=ADA, override=UNEVALUATED)
        assert deployment.outcome is Outcome.FAILED
        assert "CannotStartContainerError" in deployment.error
        assert shop.serving.describe(Stage.PROD).status is EndpointStatus.NOT_DEPLOYED
        assert not [name for name in aws.serving.kept.configs if "-prod-" in name]
        assert not [name for name in aws.serving.kept.models if "-prod-" in name]


class TestThrottling:
    def test_a_deployment_outlasts_being_throttled_at_every_call(
        self, aws: FakeAws, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # It would try again after up to a second, a hundred times.
        monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
        aws.faults.throttle_first_attempts()
        deployment = shop.promotion.promote(STAGE, 2, actor=ADA)
        assert deployment.outcome is Outcome.SUCCEEDED, deployment.error
        assert served(shop) == 2

    def test_looks_that_are_throttled_for_long_do_not_end_a_deployment(self, aws: FakeAws, shop: Shop) -> None:
        aws.faults.plan("DescribeEndpoint", THROTTLED, times=8, after=6)
        deployment = shop.promotion.promote(STAGE, 2, actor=ADA)
        assert deployment.outcome is Outcome.SUCCEEDED, deployment.error

    def test_a_plan_is_not_made_of_a_guess(self, aws: FakeAws, shop: Shop) -> None:
        aws.faults.plan("DescribeEndpoint", THROTTLED, times=-1)
        with pytest.raises(ThrottledError):
            shop.promotion.plan(STAGE, 2)


class TestTwoAtOnce:
    def test_of_two_machines_that_promote_at_once_one_is_refused(
        self, aws: FakeAws, shop: Shop, tmp_path: Path
    ) -> None:
        other = sagemaker_shop(aws, tmp_path / "elsewhere")
        outcomes: list[str] = []
        together = threading.Barrier(2)

        def promote(by: Shop, version: int) -> None:
            together.wait()
            try:
                outcomes.append(by.promotion.promote(STAGE, version, actor=ADA).outcome.value)
            except StageBusyError as error:
                outcomes.append(type(error).__name__)

        both = [threading.Thread(target=promote, args=pair) for pair in ((shop, 2), (other, 3))]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert sorted(outcomes) == ["StageBusyError", "Succeeded"]
        assert aws.server.count("UpdateEndpoint") == 1

    def test_a_lease_is_renewed_as_long_as_its_holder_lives(self, aws: FakeAws, shop: Shop, tmp_path: Path) -> None:
        other = serving_on(aws.account, tmp_path)
        with shop.serving.hold(STAGE, "ada"):
            threading.Event().wait(4.5)  # more than two leases
            with pytest.raises(StageBusyError, match="ada"), other.hold(STAGE, "bob"):
                pass

    def test_who_lost_the_stage_changes_nothing_any_more(self, aws: FakeAws, shop: Shop, tmp_path: Path) -> None:
        """A laptop that slept: its lease ran out, another machine took the stage, and then it wakes up."""
        version = shop.registry.get(2)
        target = ServedModel(version=2, sha256=version.sha256)
        archive = shop.registry.fetch_archive(version)
        other = serving_on(aws.account, tmp_path)
        taken = threading.Event()

        def asleep(step: str, status: StepStatus, detail: str) -> None:
            if (step, status) == ("switch", StepStatus.IN_PROGRESS):
                aws.faults.plan("s3:PUT", THROTTLED, times=-1)
                threading.Event().wait(3.5)
                aws.faults.clear()
                with other.hold(STAGE, "bob"):
                    taken.set()
                    threading.Event().wait(1.0)

        with pytest.raises(StageBusyError, match="not ours to change any more"), shop.serving.hold(STAGE, "ada"):
            shop.serving.deploy(STAGE, target, archive, asleep)
        assert taken.is_set()
        assert aws.server.count("UpdateEndpoint") == 0
        assert served(shop) == 1


class TestPeople:
    def test_an_endpoint_deleted_by_hand_is_told_and_made_again(self, aws: FakeAws, shop: Shop) -> None:
        aws.serving.endpoints.delete_by_hand(NAME)
        endpoint = shop.serving.describe(STAGE)
        assert endpoint.status is EndpointStatus.FAILED
        assert endpoint.served is None
        assert endpoint.wanted is not None and endpoint.wanted.version == 1
        assert "somebody deleted it" in endpoint.detail
        shop.serving.resume(STAGE)
        assert shop.serving.describe(STAGE).status is EndpointStatus.CREATING
        assert shop.serving.describe(STAGE).status is EndpointStatus.IN_SERVICE
        assert shop.serving.predict(STAGE, canary_images()).version == 1

    def test_promoting_over_an_endpoint_deleted_by_hand_creates_it(self, aws: FakeAws, shop: Shop) -> None:
        aws.serving.endpoints.delete_by_hand(NAME)
        assert shop.promotion.promote(STAGE, 2, actor=ADA).outcome is Outcome.SUCCEEDED
        assert aws.server.count("CreateEndpoint") == 1
        assert served(shop) == 2

    def test_one_deleted_in_the_middle_of_an_update_comes_back_as_it_was(self, aws: FakeAws, shop: Shop) -> None:
        move = aws.serving.endpoints.update_endpoint

        def update_and_delete(asked: dict[str, object]) -> object:
            answer = move(asked)
            aws.serving.endpoints.delete_by_hand(NAME)
            return answer

        aws.serving.endpoints.update_endpoint = update_and_delete  # type: ignore[method-assign, assignment]
        deployment = shop.promotion.promote(STAGE, 2, actor=ADA)
        assert deployment.outcome is Outcome.FAILED
        assert "was deleted while it was being changed" in deployment.error
        assert served(shop) == 1

    def test_a_config_that_somebody_made_under_our_name_is_refused(self, aws: FakeAws, shop: Shop) -> None:
        shop.promotion.promote(STAGE, 2, actor=ADA)
        name = aws.serving.endpoints.endpoints[NAME].config
        shop.promotion.promote(STAGE, 1, actor=ADA)
        aws.serving.kept.configs[name]["ProductionVariants"][0]["InstanceType"] = "ml.p4d.24xlarge"
        deployment = shop.promotion.promote(STAGE, 2, actor=ADA)
        assert deployment.outcome is Outcome.FAILED
        assert "exists with another content" in deployment.error
        assert served(shop) == 1

    def test_an_endpoint_that_this_product_did_not_make_is_told_so(self, aws: FakeAws, shop: Shop) -> None:
        name = aws.serving.endpoints.endpoints[NAME].config
        model = aws.serving.kept.configs[name]["ProductionVariants"][0]["ModelName"]
        aws.serving.kept.models[model]["PrimaryContainer"]["ModelDataUrl"] = "s3://elsewhere/model.tar.gz"
        fresh = serving_on(aws.account, Path("/nonexistent"))
        endpoint = fresh.describe(STAGE)
        assert endpoint.served is None
        assert "which this product did not make" in endpoint.detail


class TestCredentials:
    def test_a_token_that_expires_in_the_middle_leaves_what_can_be_finished(
        self, aws: FakeAws, shop: Shop, tmp_path: Path
    ) -> None:
        expire = aws.serving.endpoints.update_endpoint

        def update_and_expire(asked: dict[str, object]) -> object:
            answer = expire(asked)
            aws.faults.plan("*", EXPIRED, times=-1)
            return answer

        aws.serving.endpoints.update_endpoint = update_and_expire  # type: ignore[method-assign, assignment]
        with pytest.raises(AccessError):
            shop.promotion.promote(STAGE, 2, actor=ADA)
        aws.faults.clear()
        aws.serving.endpoints.update_endpoint = expire  # type: ignore[method-assign]

        later = sagemaker_shop(aws, tmp_path)
        assert later.serving.describe(STAGE).status is EndpointStatus.UPDATING  # SageMaker goes on by itself
        assert later.deployments.history(STAGE)[0].outcome is Outcome.IN_PROGRESS
        threading.Event().wait(4.0)  # its lease
        assert later.promotion.history(STAGE)[0].outcome is Outcome.INTERRUPTED
        endpoint = later.serving.describe(STAGE)
        assert endpoint.in_step
        assert endpoint.served is not None and endpoint.served.version == 2  # SageMaker ended it well, nobody verified
        assert "Promote it again to confirm" in later.deployments.history(STAGE)[0].hint
        assert later.promotion.promote(STAGE, 2, actor=ADA).outcome.is_good
        assert later.promotion.roll_back(STAGE, actor=ADA).version == 1


class TestLimits:
    def test_a_quota_that_cannot_hold_both_fleets_is_named_before_anything_is_made(
        self, aws: FakeAws, shop: Shop
    ) -> None:
        aws.serving.limit_instances(INSTANCE, 1)
        deployment = shop.promotion.promote(STAGE, 2, actor=ADA)
        assert deployment.outcome is Outcome.FAILED
        assert f"'{INSTANCE} for endpoint usage' is 1; this deployment needs 2 instances" in deployment.error
        assert "Service Quotas" in deployment.hint
        assert aws.server.count("CreateModel") == aws.server.count("UpdateEndpoint") == 0

    def test_one_that_others_use_up_is_told_in_sagemakers_words(self, aws: FakeAws, shop: Shop) -> None:
        aws.serving.limit_instances(INSTANCE, 2)
        on_prod = shop.promotion.promote(Stage.PROD, 1, actor=ADA, override=UNEVALUATED)
        assert on_prod.outcome is Outcome.SUCCEEDED
        deployment = shop.promotion.promote(STAGE, 2, actor=ADA)
        assert deployment.outcome is Outcome.FAILED
        assert f"quota '{INSTANCE} for endpoint usage' is 2" in deployment.error
        assert served(shop) == 1


class TestConfigs:
    def test_the_previous_config_is_kept_and_older_ones_are_collected_from_every_page(
        self, aws: FakeAws, shop: Shop
    ) -> None:
        config = next(iter(aws.serving.kept.configs.values()))
        for number in range(120):
            name = f"{NAME}-v9-{number:012x}"
            aws.serving.kept.configs[name] = {**config, "EndpointConfigName": name}
        neighbour = f"{NAME}-x-v9-{0:012x}"
        aws.serving.kept.configs[neighbour] = {**config, "EndpointConfigName": neighbour}
        for number in (2, 3):
            shop.promotion.promote(STAGE, number, actor=ADA)
            left = {name for name in aws.serving.kept.configs if name != neighbour}
            assert {name.split("-v")[1].split("-")[0] for name in left} == {str(number), str(number - 1)}
            assert len(left) == len(aws.serving.kept.models) == 2
        assert neighbour in aws.serving.kept.configs
        assert shop.promotion.roll_back(STAGE, actor=ADA).version == 2

    def test_repeating_makes_nothing_twice(self, aws: FakeAws, shop: Shop) -> None:
        shop.promotion.promote(STAGE, 2, actor=ADA)
        shop.promotion.promote(STAGE, 1, actor=ADA)
        aws.server.calls.clear()
        shop.promotion.promote(STAGE, 2, actor=ADA)
        made = ("CreateModel", "CreateEndpointConfig", "CreateEndpoint")
        assert [aws.server.count(operation) for operation in made] == [0, 0, 0]

    def test_deleting_leaves_no_endpoint_config_or_model(self, aws: FakeAws, shop: Shop) -> None:
        with shop.serving.hold(STAGE, "ada"):
            shop.serving.delete(STAGE)
        assert not aws.serving.endpoints.endpoints
        assert not aws.serving.kept.configs
        assert not aws.serving.kept.models
        assert shop.serving.describe(STAGE).status is EndpointStatus.NOT_DEPLOYED

    def test_what_is_under_the_archives_key_is_what_its_name_says(
        self, aws: FakeAws, shop: Shop, tmp_path: Path
    ) -> None:
        from tests.fakes.aws.serving import overwrite

        version = shop.registry.get(2)
        overwrite(version.archive, b"other bytes")
        fresh = sagemaker_shop(aws, tmp_path / "fresh")
        with pytest.raises(GateFailedError, match="it was overwritten"):
            fresh.promotion.promote(STAGE, 2, actor=ADA, override=UNEVALUATED)  # it has to fetch the archive
        with pytest.raises(
            StoreError, match="it was overwritten"
        ):  # it has the archive, and would only have to name it
            fresh.serving.deploy(
                STAGE, ServedModel(version=2, sha256=version.sha256), tmp_path / "made-2.tar.gz", lambda *_: None
            )
        assert served(fresh) == 1


def test_the_model_that_fails_on_the_endpoint_alone_is_taken_back(aws: FakeAws, shop: Shop) -> None:
    """It reads digits here and starts there, but every request to it fails."""
    update = aws.serving.endpoints.update_endpoint

    def update_and_break(asked: dict[str, object]) -> object:
        aws.serving.triton.failing = "CUDA out of memory"
        return update(asked)

    aws.serving.endpoints.update_endpoint = update_and_break  # type: ignore[method-assign, assignment]
    deployment = shop.promotion.promote(STAGE, 2, actor=ADA)
    assert deployment.outcome is Outcome.FAILED
    assert "CUDA out of memory" in deployment.error
    assert [s.name for s in deployment.steps if s.status is StepStatus.FAILED] == ["verify"]
    assert served(shop) == 1
    with pytest.raises((DeploymentFailedError, Exception), match="CUDA"):
        shop.serving.predict(STAGE, canary_images())
    assert shop.deployments.get(deployment.id).ended_at is not None
    assert deployment.started_at < datetime.now(UTC)
