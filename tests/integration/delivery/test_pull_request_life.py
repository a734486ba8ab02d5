"""The life of a pull request, by the commands of the workflows exactly as they stand in their files.

On the local platform with real Tritons, and on the fake account, where the pull request has an endpoint of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.adapters.local.database import Database
from backend.adapters.local.deployments import LocalDeployments
from backend.adapters.local.endpoints import LocalEndpoints
from backend.adapters.local.evaluations import LocalEvaluations
from backend.adapters.local.home import Home
from backend.adapters.local.registry import LocalRegistry
from backend.adapters.sagemaker.deployments import S3Deployments
from backend.adapters.sagemaker.evaluations import S3Evaluations
from backend.adapters.sagemaker.objects import Bucket
from backend.domain.serving import Stage
from tests.contract.serving_platforms import SERVING_ENV
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.hosted import registry_on, serving_on
from tests.fakes.github import GitHubStandIn, serving
from tests.integration.delivery.life import GATES, Site, bad_archive, opened, pushed
from tests.integration.delivery.workflows import Repository, Runner

PULL_REQUEST = 12
MARKER = "<!-- digit-ops: staging -->"


@pytest.fixture(params=[pytest.param("local", marks=pytest.mark.triton), "sagemaker"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    home = Home(tmp_path / "home")
    if request.param == "sagemaker":
        fake: FakeAws = request.getfixturevalue("aws")
        bucket = Bucket(fake.connect())
        yield Site(
            registry=registry_on(fake.account, tmp_path),
            serving=serving_on(fake.account, tmp_path),
            deployments=S3Deployments(bucket),
            evaluations=S3Evaluations(bucket),
            environment={**fake.environment, "DIGITS_PLATFORM": "sagemaker"},
        )
        return
    database, endpoints = Database(home.database), LocalEndpoints(home.root, SERVING_ENV)
    yield Site(
        registry=LocalRegistry(database, home),
        serving=endpoints,
        deployments=LocalDeployments(database),
        evaluations=LocalEvaluations(home),
        environment={"DIGITS_PLATFORM": "local"},
    )
    for stage in Stage:
        endpoints.delete(stage)


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    with serving() as stand_in:
        yield stand_in


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "checkout")


@pytest.fixture
def runner(site: Site, github: GitHubStandIn, repository: Repository, tmp_path: Path) -> Runner:
    gates = tmp_path / "gates.yaml"
    gates.write_text(GATES)
    site.stock(tmp_path)
    return Runner(
        checkout=repository.folder,
        environment={
            **site.environment,
            "DIGITS_HOME": str(tmp_path / "home"),
            "DIGITS_GATES": str(gates),
            "DIGITS_GITHUB_API_URL": github.url,
            "DIGITS_S3_BUCKET": "digits-test",
        },
    )


def endpoints(site: Site, request: pytest.FixtureRequest) -> list[str]:
    """On the fake account, what there is in it; on this machine, the stages that serve."""
    if site.environment["DIGITS_PLATFORM"] == "local":
        return [stage.endpoint_name for stage in Stage if site.serves(stage)]
    return sorted(request.getfixturevalue("aws").serving.endpoints.endpoints)


def test_the_life_of_a_pull_request(
    site: Site, runner: Runner, repository: Repository, github: GitHubStandIn, request: pytest.FixtureRequest
) -> None:
    on_aws = site.environment["DIGITS_PLATFORM"] == "sagemaker"

    # Somebody declares version 2.
    repository.branch("serve-two")
    repository.declare(model_uri="model-version:2")
    head = repository.commit("Serve version 2")
    context = opened(repository, PULL_REQUEST) | {"github.api_url": github.url}
    ran = runner.job("deploy-stage", "staging", context)
    assert [one.code for one in ran] == [0, 0, 0], ran
    staging = f"digit-classification-pr{PULL_REQUEST}-{head[:7]}-staging" if on_aws else "digit-classification-staging"
    assert endpoints(site, request) == [staging]

    # The evidence is one comment, also after the workflow ran again.
    (comment,) = github.comments
    assert comment["body"].startswith(f"{MARKER}\n\n### ✅ staging serves version 2\n")
    for said in ("model-version:1 | model-version:2", "200 of 200 known digits", "➖ not\\_worse"):
        assert said in comment["body"], said
    assert site.version(2).sha256 in comment["body"]
    assert [one.code for one in runner.job("deploy-stage", "staging", context)] == [0, 0, 0]
    assert len(github.comments) == 1

    # It is merged and closed: prod gets the very bytes, although staging is gone by then.
    before = repository.merge("serve-two")
    (gone,) = runner.job("teardown-stage", "closed", context)
    assert (gone.code, endpoints(site, request)) == (0, []), gone
    (plan,) = runner.job("deploy-prod", "plan", pushed(before))
    assert (plan.code, runner.outputs["deploys"], runner.outputs["serving"]) == (0, "true", "none"), plan
    assert "☑️ Plan for prod: nothing → version 2" in runner.summary.read_text()
    planned = {"needs.plan.outputs.serving": runner.outputs["serving"], **pushed(before)}
    (prod,) = runner.job("deploy-prod", "prod", planned)
    assert prod.code == 0, prod
    assert site.serves(Stage.PROD) == site.version(2)
    assert "✅ prod serves version 2" in runner.summary.read_text()
    assert endpoints(site, request) == ["digit-classification-prod"]

    # The same plan is stale by now, and a new one has nothing to do.
    (stale,) = runner.job("deploy-prod", "prod", planned)
    assert stale.code == 4
    assert "it changed since the plan was made" in stale.err
    runner.job("deploy-prod", "plan", pushed(before))
    assert runner.outputs["deploys"] == "false"


def test_a_bad_model_ends_at_staging(
    site: Site,
    runner: Runner,
    repository: Repository,
    github: GitHubStandIn,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    repository.branch("serve-two")
    repository.declare(model_uri="model-version:2")
    repository.commit("Serve version 2")
    context = opened(repository, PULL_REQUEST) | {"github.api_url": github.url}
    runner.job("deploy-stage", "staging", context)
    before = repository.merge("serve-two")
    runner.job("teardown-stage", "closed", context)
    (prod,) = runner.job("deploy-prod", "prod", {"needs.plan.outputs.serving": "none", **pushed(before)})
    assert (prod.code, site.serves(Stage.PROD)) == (0, site.version(2)), prod
    github.comments.clear()

    repository.branch("serve-three")
    bad = site.register(bad_archive(tmp_path / "bad.tar.gz"), approved=False)
    repository.declare(model_uri=f"model-version:{bad.version}")
    repository.commit("Serve version 3")
    context = opened(repository, PULL_REQUEST) | {"github.api_url": github.url}

    # Nobody has approved it: it does not even come to staging.
    refused, *_ = runner.job("deploy-stage", "staging", context)
    assert refused.code == 4, refused
    assert "❌ staging refused version 3" in github.comments[0]["body"]
    assert endpoints(site, request) == ["digit-classification-prod"]

    # Somebody does, and it fails what it is asked there.
    site.approve(bad.version)
    failed, *_ = runner.job("deploy-stage", "staging", context)
    assert failed.code == 1, failed
    (comment,) = github.comments
    assert "### ❌ staging does not serve version 3" in comment["body"]
    assert "The smoke test failed" in comment["body"]
    assert "❌ not\\_worse" in comment["body"]
    assert site.serves(Stage.PROD) == site.version(2)

    # Merged all the same, prod refuses it.
    before = repository.merge("serve-three")
    (plan,) = runner.job("deploy-prod", "plan", pushed(before))
    assert (plan.code, runner.outputs["serving"]) == (4, site.version(2).sha256), plan
    (prod,) = runner.job(
        "deploy-prod", "prod", {"needs.plan.outputs.serving": site.version(2).sha256, **pushed(before)}
    )
    assert prod.code == 4, prod
    assert site.serves(Stage.PROD) == site.version(2)
    assert [d.version for d in site.deployments.history(Stage.PROD)] == [2]
    (gone,) = runner.job("teardown-stage", "closed", context)
    assert (gone.code, endpoints(site, request)) == (0, ["digit-classification-prod"]), gone


def test_what_does_not_matter_deploys_nothing(
    site: Site, runner: Runner, repository: Repository, github: GitHubStandIn, request: pytest.FixtureRequest
) -> None:
    repository.branch("words")
    repository.config.write_text("# other words\n" + repository.config.read_text() + "description: the same model\n")
    repository.commit("Only words")
    context = opened(repository, PULL_REQUEST) | {"github.api_url": github.url}
    ran = runner.job("deploy-stage", "staging", context)
    assert [one.code for one in ran] == [0, 0, 0], ran
    assert "### Nothing to deploy to staging" in github.comments[0]["body"]
    assert endpoints(site, request) == []
    runner.job("deploy-prod", "plan", pushed(repository.merge("words")))
    assert runner.outputs["deploys"] == "false"
