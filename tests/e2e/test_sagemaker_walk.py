"""Somebody chooses SageMaker and walks through every page, over the fake AWS: at a desk in light, on a phone in dark.

Each page is kept as a picture under `test-results/sagemaker`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from backend import bootstrap
from backend.adapters.sagemaker import endpoints as sagemaker_endpoints
from backend.bootstrap import Backend
from backend.domain.evaluation import Evaluation
from backend.domain.jobs import Compute, JobStatus
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.search_space import parse_space
from backend.domain.serving import Stage
from backend.domain.tuning import Strategy
from backend.services.searching import TuningPlan
from backend.settings import Settings
from tests.contract import archives
from tests.contract.training_platforms import wait_until
from tests.e2e.conftest import RESULTS, ROOT, Dashboard, free_port, ready, wait_for_health
from tests.e2e.steps import ANSWER_MS, draw
from tests.fakes import trainer
from tests.fakes.aws.account import FakeAws
from tests.fakes.aws.container import TrainerContainer
from tests.fakes.aws.hosted import INSTANCE
from tests.fakes.aws.server import Server

pytestmark = pytest.mark.processes

PICTURES = RESULTS / "sagemaker"
DESKTOP, PHONE = (1440, 900), (390, 844)


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A page of the walk: its address and words that only this account's data can put there."""

    name: str
    address: str
    says: tuple[str, ...]


STOPS = (
    Stop(name="overview", address="", says=("Production", "v2", "spot-baseline")),
    Stop(name="launch", address="launch", says=("machines of its own", "Instance type")),
    Stop(name="launch-tune", address="launch?mode=tune", says=("Search space",)),
    Stop(name="jobs", address="jobs", says=()),
    Stop(name="job", address="jobs?job=spot-baseline", says=("spot-baseline", "Test accuracy")),
    Stop(name="search", address="jobs?job=lr-search", says=("lr-search", "Best")),
    Stop(name="runs", address="runs", says=()),
    Stop(name="compare", address="compare?versions=1,2", says=("v1", "v2")),
    Stop(name="promote", address="promote?version=2", says=("v2",)),
    Stop(name="endpoints", address="endpoints?stage=staging", says=("CloudWatch", "v2")),
    Stop(name="draw", address="draw", says=()),
    Stop(name="evidence", address="evidence?deployment={newest}", says=("v2", "read all known digits")),
    Stop(name="audit", address="audit", says=("promote",)),
    Stop(name="connections", address="connections", says=("AWS identity",)),
)


@pytest.fixture(scope="module")
def account() -> Iterator[FakeAws]:
    server = Server()
    fake = FakeAws(server)
    fake.new()
    fake.training.container = TrainerContainer(fake.connect())
    fake.serving.limit_instances(INSTANCE, 8)
    yield fake
    fake.training.reset()
    fake.tuning.reset()
    server.close()


@pytest.fixture(scope="module")
def worked(account: FakeAws, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    """A colleague's day: two trainings, a search, two versions, both stages deployed to and one taken back."""
    patch = pytest.MonkeyPatch()
    for adapter in (sagemaker_endpoints.HostedEndpoint, sagemaker_endpoints.SageMakerEndpoints):
        patch.setitem(adapter.__init__.__kwdefaults__, "poll_s", 0.001)
    home = tmp_path_factory.mktemp("colleague")
    settings = Settings(DIGITS_HOME=home, DIGITS_PLATFORM="sagemaker", **account.environment)
    backend = bootstrap.connect(settings)
    grace, launching = backend.actor, backend.launching
    launching.train(actor=grace, preset="fast", name="baseline", overrides={})
    compute = Compute(instance_type="ml.c5.2xlarge", spot=True, max_minutes=30)
    launching.train(actor=grace, preset="fast", name="spot-baseline", overrides={"epochs": 3}, compute=compute)
    space = (parse_space("lr=log(1e-4,1e-1)"), parse_space("batch_size=64,128"))
    plan = TuningPlan(
        preset="fast", name="lr-search", space=space, strategy=Strategy.RANDOM, max_jobs=4, max_parallel=2
    )
    backend.searching.tune(plan, actor=grace)
    for name in ("baseline", "spot-baseline"):
        wait_until(lambda name=name: backend.training.describe(name).status.is_terminal, 180)  # type: ignore[misc]
        assert backend.training.describe(name).status is JobStatus.COMPLETED
        # The stand-in trainer's archives say what they are and classify nothing: these do, under the jobs' names.
        sharpness = 1.0 if name == "baseline" else 2.0
        archive = archives.good_archive(home / f"{name}.tar.gz", sharpness=sharpness)
        backend.registry.register(
            archive,
            sha256=archives.digest_of(archive),
            source_job=name,
            evaluation=Evaluation.from_document(trainer.evaluation()),
            registered_by=grace.name,
        )
    wait_until(lambda: backend.tuning.describe("lr-search").status.is_terminal, 240)
    for number in (1, 2):
        backend.registration.decide(number, Approval.APPROVED, actor=grace, comment="read all known digits")
    why = "There is nothing to compare with yet."
    for number, stage in ((1, Stage.STAGING), (1, Stage.PROD), (2, Stage.STAGING), (2, Stage.PROD)):
        done = backend.promotion.promote(stage, number, actor=grace, override=why)
        assert done.outcome is Outcome.SUCCEEDED, done.error
    backend.fleets.watch(Stage.STAGING, actor=grace)
    patch.undo()
    return backend


@pytest.fixture(scope="module")
def dashboard(account: FakeAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """Begins on this machine, with all that SageMaker needs set."""
    home = tmp_path_factory.mktemp("home")
    port = free_port()
    environment = {**os.environ, **account.environment, "DIGITS_HOME": str(home), "DIGITS_PORT": str(port)}
    environment |= {"DIGITS_PLATFORM": "local", "DIGITS_ROLE": "approver"}
    with (home / "dashboard.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "app"], cwd=ROOT, env=environment, stdout=log, stderr=log)
        running = Dashboard(url=f"http://127.0.0.1:{port}", home=home, environment=environment, process=process)
        try:
            wait_for_health(running)
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def test_somebody_chooses_sagemaker_and_it_stays_chosen(page: Page, dashboard: Dashboard, worked: Backend) -> None:
    page.goto(f"{dashboard.url}/jobs")
    ready(page)
    expect(page.get_by_text("No jobs yet")).to_be_visible()
    choose(page, "SageMaker")
    page.wait_for_url("**/jobs?platform=sagemaker")
    expect(page.get_by_text("No jobs yet")).to_have_count(0)
    expect(page.locator(".st-key-jobs_table")).to_be_visible(timeout=20_000)

    page.get_by_role("link", name="Endpoints").first.click()
    page.wait_for_url("**/endpoints?*platform=sagemaker*")
    expect(page.get_by_text("CloudWatch").first).to_be_visible(timeout=20_000)
    page.reload()
    ready(page)
    expect(page.get_by_text("CloudWatch").first).to_be_visible(timeout=20_000)

    choose(page, "Local")
    expect(page.get_by_text("CloudWatch")).to_have_count(0, timeout=20_000)
    assert "platform" not in page.url


@pytest.mark.parametrize("look", ["light", "phone"])
def test_every_page_is_shown_over_the_account(
    browser: Browser, dashboard: Dashboard, worked: Backend, look: Literal["light", "phone"]
) -> None:
    phone = look == "phone"
    width, height = PHONE if phone else DESKTOP
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if phone else "light",
        is_mobile=phone,
        has_touch=phone,
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    PICTURES.mkdir(parents=True, exist_ok=True)
    newest = worked.deployments.history(Stage.PROD)[0].id
    for stop in STOPS:
        address = stop.address.format(newest=newest)
        page.goto(f"{dashboard.url}/{address}{'&' if '?' in address else '?'}platform=sagemaker")
        ready(page)
        for words in stop.says:
            expect(page.get_by_text(words).first).to_be_attached(timeout=30_000)
        if stop.name == "draw" and not phone:
            draw(page, 3)
            for stage in Stage:  # a model of ten templates: that it answers is what counts
                answer = page.locator(f".st-key-draw_result_{stage.value} [data-testid=stMetricValue]").first
                expect(answer).not_to_have_text("–", timeout=ANSWER_MS)
        page.wait_for_timeout(700)  # for the pictures: tables and charts are drawn last
        page.screenshot(path=PICTURES / f"{stop.name}-{look}.png", full_page=phone)
        if stop.name != "connections":  # where a fake account's doctor finds no role and no image
            assert page.locator("[class*=st-key-error_panel_]").count() == 0, stop.name
    context.close()
    assert errors == []


def choose(page: Page, name: str) -> None:
    page.locator(".st-key-platform_switch button", has_text=name).click()
