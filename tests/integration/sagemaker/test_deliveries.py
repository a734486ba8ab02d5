"""Deliveries on the fake account: endpoints of pull requests, their tags, their end; what the two deployers may do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.adapters.local.candidates import LocalCandidates
from backend.adapters.local.database import Database
from backend.adapters.local.home import Home
from backend.adapters.local.job_store import JobStore
from backend.adapters.local.training import LocalTraining
from backend.adapters.local.tuning import LocalTuning
from backend.adapters.local.tuning_store import TuningStore
from backend.adapters.sagemaker import endpoints as sagemaker_endpoints
from backend.adapters.sagemaker.serving import serving_on_aws
from backend.adapters.sagemaker.session import Aws
from backend.assembly import Backend, assemble
from backend.domain.delivery import EXPIRES
from backend.domain.gates import Gate, GateName
from backend.domain.identity import Role
from backend.domain.model_config import ModelConfig
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.errors import GateFailedError, InvalidInputError, StageBusyError
from backend.services.delivery import Order
from backend.settings import Settings
from backend.wiring.platform import Stores
from tests.contract import archives
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.hosted import INSTANCE
from tests.fakes.aws.iam import Policy, Recorder
from tests.fakes.aws.training import arn
from tests.fakes.backend import Somebody
from tests.fakes.evaluator import InProcessEvaluator
from tests.fakes.load import FakeLoad
from tests.fakes.uploads import FakeUploads
from tests.integration.sagemaker.test_iam_policies import policy

TAGS = {"team": "digits", "cost-centre": "42"}
GATES = {
    Stage.STAGING: (Gate(name=GateName.APPROVED),),
    Stage.PROD: tuple(
        Gate(name=name, limits=limits)
        for name, limits in (
            (GateName.DIGEST, {}),
            (GateName.APPROVED, {}),
            (GateName.SAME_DATA, {}),
            (GateName.STAGING_FIRST, {}),
            (GateName.LATENCY, {"p99_ms": 5000.0}),
            (GateName.PROBE, {"at_least": 0.99}),
        )
    ),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the fake account follow one another at once."""
    monkeypatch.setitem(sagemaker_endpoints.HostedEndpoint.__init__.__kwdefaults__, "poll_s", 0.001)
    monkeypatch.setitem(sagemaker_endpoints.SageMakerEndpoints.__init__.__kwdefaults__, "poll_s", 0.001)


def backend_on(aws: Aws, folder: Path, *, tags: Mapping[str, str] = TAGS) -> Backend:
    made = serving_on_aws(
        aws,
        cache=folder / "cache",
        image="",
        instance_type=INSTANCE,
        instances=1,
        shift="all-at-once",
        subnets=(),
        security_groups=(),
        kms_key="",
        tags=tags,
    )
    home = Home(folder / "home")
    database = Database(home.database)
    jobs, searches = JobStore(database, home), TuningStore(database)
    training = LocalTraining(jobs, home, slots=1, environment={})
    return assemble(
        Settings(DIGITS_HOME=folder / "home"),
        identity=Somebody(name="ada", role=Role.APPROVER),
        home=home,
        database=database,
        training=training,
        tuning=LocalTuning(searches, jobs, training, home, slots=1, environment={}),
        serving=made.serving,
        load=FakeLoad(),
        candidates=LocalCandidates(environment=dict(os.environ)),
        evaluator=InProcessEvaluator(),
        environment={},
        readers=[],
        uploads=FakeUploads(),
        probes=[],
        declared=lambda: GATES,
        stores=Stores(
            **{name: getattr(made, name) for name in Stores.__dataclass_fields__},
        ),
        fleets=made.fleets,
        sites=made.sites,
        archives=made.archives,
    )


@pytest.fixture
def backend(aws: FakeAws, tmp_path: Path) -> Backend:
    return backend_on(aws.connect(), tmp_path)


def stored(aws: FakeAws, folder: Path, *, sharpness: float = 1.0) -> ModelConfig:
    """An archive that a training left somewhere in the bucket, declared with its digest."""
    path = archives.good_archive(folder / f"made-{sharpness}.tar.gz", sharpness=sharpness)
    key = f"digits/jobs/a-{sharpness}/model.tar.gz"
    aws.connect().s3().upload_file(str(path), "digits-test", key)
    return ModelConfig(
        endpoint_name="digit-classification",
        model_uri=f"s3://digits-test/{key}",
        sha256=archives.digest_of(path),
        triton_image_uri="default",
        instance_type=INSTANCE,
        instance_count=2,
        sagemaker_triton_default_model_name="mnist",
        staging_ttl_hours=5,
    )


def order(config: ModelConfig, folder: Path, stage: Stage = Stage.STAGING, suffix: str = "pr7-1a2b3c4") -> Order:
    tags = {"commit": "1a2b3c4"} if suffix else {}
    return Order(config=config, folder=folder, stage=stage, suffix=suffix, tags=tags)


def delivered(backend: Backend, config: ModelConfig, folder: Path, suffix: str = "pr7-1a2b3c4") -> None:
    """To an endpoint of its own, approved in between as somebody would."""
    first = backend.delivery.deliver(order(config, folder, suffix=suffix), actor=backend.actor, say=_say)
    assert first.version is not None
    if isinstance(first.error, GateFailedError):
        backend.registration.decide(first.version.version, Approval.APPROVED, actor=backend.actor)
        first = backend.delivery.deliver(order(config, folder, suffix=suffix), actor=backend.actor, say=_say)
    assert first.error is None, first.error.message


def test_an_archive_is_registered_evaluated_and_serves_beside_staging(
    aws: FakeAws, backend: Backend, tmp_path: Path
) -> None:
    config = stored(aws, tmp_path)
    refused = backend.delivery.deliver(order(config, tmp_path), actor=backend.actor, say=_say)
    assert isinstance(refused.error, GateFailedError)
    assert refused.version is not None
    assert (refused.version.sha256, refused.version.approval) == (config.sha256, Approval.PENDING)
    assert aws.serving.endpoints.endpoints == {}

    delivered(backend, config, tmp_path)
    (endpoint,) = aws.serving.endpoints.endpoints.values()
    assert (endpoint.name, endpoint.instances) == ("digit-classification-pr7-1a2b3c4-staging", 1)
    tags = {tag["Key"]: tag["Value"] for tag in aws.training.tags[arn("endpoint", endpoint.name)]}
    left = datetime.fromisoformat(tags[EXPIRES]) - datetime.now(UTC)
    assert (tags["commit"], timedelta(hours=4) < left <= timedelta(hours=5)) == ("1a2b3c4", True)
    assert [version.version for version in backend.registry.list_versions()] == [1]  # twice delivered, once registered
    assert backend.registry.get(1).evaluation is not None
    assert backend.serving.describe(Stage.STAGING).wanted is None


def test_all_that_a_delivery_makes_has_the_tags_of_the_settings_and_only_the_endpoint_those_of_the_delivery(
    aws: FakeAws, backend: Backend, tmp_path: Path
) -> None:
    delivered(backend, stored(aws, tmp_path), tmp_path)
    kept = aws.serving.kept
    names = [("endpoint-config", name) for name in kept.configs] + [("model", name) for name in kept.models]
    made = {kind: tagged(aws, kind, name) for kind, name in [*names, ("model-package-group", "digit-classification")]}
    assert made == {"endpoint-config": TAGS, "model": TAGS, "model-package-group": TAGS}
    endpoint = tagged(aws, "endpoint", "digit-classification-pr7-1a2b3c4-staging")
    assert {name: endpoint[name] for name in TAGS} == TAGS
    assert endpoint.keys() - TAGS.keys() == {"commit", EXPIRES}


def test_with_other_tags_nothing_is_made_anew(aws: FakeAws, backend: Backend, tmp_path: Path) -> None:
    config = stored(aws, tmp_path)
    delivered(backend, config, tmp_path)
    before = (set(aws.serving.kept.configs), set(aws.serving.kept.models))
    retagged = backend_on(aws.connect(), tmp_path / "later", tags={"team": "others"})
    again = retagged.delivery.deliver(order(config, tmp_path), actor=backend.actor, say=_say)
    assert again.deployment is not None
    assert again.deployment.outcome is Outcome.UNCHANGED
    assert (set(aws.serving.kept.configs), set(aws.serving.kept.models)) == before


def test_what_lies_under_the_address_must_be_what_is_declared(aws: FakeAws, backend: Backend, tmp_path: Path) -> None:
    config = stored(aws, tmp_path)
    other = archives.good_archive(tmp_path / "other.tar.gz", sharpness=9.0)
    aws.connect().s3().upload_file(str(other), "digits-test", config.model_uri.removeprefix("s3://digits-test/"))
    done = backend.delivery.deliver(order(config, tmp_path), actor=backend.actor, say=_say)
    assert done.error is not None
    assert "declared is" in done.error.message
    assert list(backend.registry.list_versions()) == []


def test_prod_takes_only_what_was_tested_and_as_it_is_declared(aws: FakeAws, backend: Backend, tmp_path: Path) -> None:
    config = stored(aws, tmp_path)
    untested = backend.delivery.deliver(order(config, tmp_path, Stage.PROD, ""), actor=backend.actor, say=_say)
    assert untested.error is not None
    assert "No registered version" in untested.error.message
    delivered(backend, config, tmp_path)
    backend.teardown.pull_request(Stage.STAGING, 7, actor=backend.actor)

    done = backend.delivery.deliver(order(config, tmp_path, Stage.PROD, ""), actor=backend.actor, say=_say)
    assert done.error is None, done.error.message
    reasons = {gate.name: gate.reason for gate in done.gates}
    assert "digit-classification-pr7-1a2b3c4-staging (" in reasons["probe"]
    endpoint = aws.serving.endpoints.endpoints["digit-classification-prod"]
    assert endpoint.instances == 2
    hosted = backend.serving.describe(Stage.PROD).hosted
    assert (hosted["instance_type"], hosted["instance_count"]) == ("ml.m5.large", "2")

    # The same archive on another instance type, and on more of them, is a change too.
    larger = ModelConfig(**{**vars(config), "instance_type": "ml.c5.xlarge", "instance_count": 3})
    plan = backend.delivery.plan(order(larger, tmp_path, Stage.PROD, ""))
    assert [str(one) for one in plan.hosting] == [
        "instance type: should be ml.c5.xlarge, is ml.m5.large",
        "instances: should be 3, is 2",
    ]
    done = backend.delivery.deliver(order(larger, tmp_path, Stage.PROD, ""), actor=backend.actor, say=_say)
    assert (done.error, done.deployment.outcome if done.deployment else None) == (None, Outcome.SUCCEEDED)
    assert aws.serving.endpoints.endpoints["digit-classification-prod"].instances == 3
    again = backend.delivery.deliver(order(larger, tmp_path, Stage.PROD, ""), actor=backend.actor, say=_say)
    assert again.deployment is not None
    assert again.deployment.outcome is Outcome.UNCHANGED


def test_prod_is_taken_back_when_it_misreads(
    aws: FakeAws, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = stored(aws, tmp_path), stored(aws, tmp_path, sharpness=2.0)
    for config, suffix in ((first, "pr7-aaaaaaa"), (second, "pr8-bbbbbbb")):
        delivered(backend, config, tmp_path, suffix)
    done = backend.delivery.deliver(order(first, tmp_path, Stage.PROD, ""), actor=backend.actor, say=_say)
    assert done.error is None

    from backend.services import delivery

    look = delivery.look_at_staging

    def misread(*given: object, **named: object) -> object:
        seen = look(*given, **named)  # type: ignore[arg-type]
        return seen.__class__(**{**vars(seen), "right": 150}) if seen.model.version == 2 else seen

    monkeypatch.setattr(delivery, "look_at_staging", misread)
    done = backend.delivery.deliver(order(second, tmp_path, Stage.PROD, ""), actor=backend.actor, say=_say)
    assert done.error is not None
    assert done.taken_back is not None
    assert "version 1 serves again" in done.error.message
    served = backend.serving.describe(Stage.PROD).served
    assert (served.version if served else None) == 1


def test_a_closed_pull_request_leaves_nothing_and_takes_nothing_of_others(
    aws: FakeAws, backend: Backend, tmp_path: Path
) -> None:
    config = stored(aws, tmp_path)
    for suffix in ("pr7-aaaaaaa", "pr7-bbbbbbb", "pr77-ccccccc"):
        delivered(backend, config, tmp_path, suffix)
    gone = backend.teardown.pull_request(Stage.STAGING, 7, keep="pr7-bbbbbbb", actor=backend.actor)
    assert [one.name for one in gone] == ["digit-classification-pr7-aaaaaaa-staging"]
    gone = backend.teardown.pull_request(Stage.STAGING, 7, actor=backend.actor)
    assert [one.name for one in gone] == ["digit-classification-pr7-bbbbbbb-staging"]
    assert list(backend.teardown.pull_request(Stage.STAGING, 7, actor=backend.actor)) == []
    kept = aws.serving.kept
    assert set(aws.serving.endpoints.endpoints) == {"digit-classification-pr77-ccccccc-staging"}
    assert [name for name in (*kept.configs, *kept.models) if "pr77-ccccccc" not in name] == []
    aws.serving.endpoints.delete_by_hand("digit-classification-pr77-ccccccc-staging")
    backend.teardown.suffix(Stage.STAGING, "pr77-ccccccc", actor=backend.actor)  # what the endpoint left
    assert (kept.configs, kept.models) == ({}, {})
    with pytest.raises(InvalidInputError, match="not torn down"):
        backend.teardown.own(Stage.PROD, actor=backend.actor)


def test_the_sweep_takes_what_has_expired_and_leaves_the_rest(aws: FakeAws, backend: Backend, tmp_path: Path) -> None:
    config = stored(aws, tmp_path)
    for suffix in ("pr1-aaaaaaa", "pr2-bbbbbbb", "pr3-ccccccc", "pr4-ddddddd"):
        delivered(backend, config, tmp_path, suffix)
    fleet = aws.serving.endpoints.endpoints
    ago = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")
    tags = {name: arn("endpoint", name) for name in fleet}
    others = [{"Key": f"team-{number}", "Value": "digits"} for number in range(49)]
    aws.training.tags[tags["digit-classification-pr1-aaaaaaa-staging"]] = [*others, {"Key": EXPIRES, "Value": ago}]
    aws.training.tags[tags["digit-classification-pr2-bbbbbbb-staging"]] = []
    fleet["digit-classification-pr2-bbbbbbb-staging"].created = datetime.now(UTC) - timedelta(hours=73)
    aws.training.tags[tags["digit-classification-pr3-ccccccc-staging"]] = [{"Key": EXPIRES, "Value": ago}]
    place = backend_on(aws.connect(), tmp_path / "other").delivery._place(order(config, tmp_path, suffix="pr3-ccccccc"))
    with place.serving.hold(Stage.STAGING, "eve, deploying"):
        gone = {one.name: one.error for one in backend.teardown.expired(Stage.STAGING, actor=backend.actor)}
    assert isinstance(gone.pop("digit-classification-pr3-ccccccc-staging"), StageBusyError)
    assert gone == {f"digit-classification-{name}-staging": None for name in ("pr1-aaaaaaa", "pr2-bbbbbbb")}
    assert sorted(fleet) == [f"digit-classification-{name}-staging" for name in ("pr3-ccccccc", "pr4-ddddddd")]


def test_the_deployers_policies_are_enough_and_stagings_changes_nothing_of_prod(aws: FakeAws, tmp_path: Path) -> None:
    recorder = Recorder(aws.account)
    backend = backend_on(recorder.aws, tmp_path)
    config = stored(aws, tmp_path)
    staging, prod, approver = (policy(aws, name) for name in ("staging-deployer", "prod-deployer", "approver"))

    backend.delivery.deliver(order(config, tmp_path), actor=backend.actor, say=_say)
    _allowed(recorder, staging)
    backend.registration.decide(1, Approval.APPROVED, actor=backend.actor)
    _allowed(recorder, approver)
    delivered(backend, config, tmp_path)
    assert backend.delivery.plan(order(config, tmp_path, Stage.PROD, "")).error is None
    _allowed(recorder, staging)

    done = backend.delivery.deliver(order(config, tmp_path, Stage.PROD, ""), actor=backend.actor, say=_say)
    assert done.error is None, done.error.message
    needs = list(recorder.needs)
    _allowed(recorder, prod)
    changing = [need for need in needs if need.action.startswith(("sagemaker:Create", "sagemaker:Update"))]
    assert changing
    assert [need for need in changing if staging.allows(need)] == []

    backend.teardown.expired(Stage.STAGING, actor=backend.actor)
    backend.teardown.pull_request(Stage.STAGING, 7, actor=backend.actor)
    _allowed(recorder, staging)


def tagged(aws: FakeAws, kind: str, name: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in aws.training.tags[arn(kind, name)]}


def _allowed(recorder: Recorder, held: Policy) -> None:
    """Everything that was asked since the last look."""
    assert recorder.needs
    assert [need for need in recorder.needs if not held.allows(need)] == []
    recorder.needs.clear()


def _say(_: str) -> None: ...
