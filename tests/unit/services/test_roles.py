"""Every effect asks for a role, in the service: one that is new and does not is found here.

Each public method of a service is an effect (with the least role that may have it) or a read. A new one is neither, and
fails until it is named in one of the two tables below.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, get_type_hints

import numpy as np
import pytest
from sqlalchemy import select

from backend.adapters.local.database import Database
from backend.adapters.local.schema import audit_events, metadata
from backend.assembly import Backend
from backend.domain.capabilities import Feature
from backend.domain.identity import Actor, Role
from backend.domain.jobs import JobStatus
from backend.domain.lifetimes import Lifetime
from backend.domain.loadtest import LoadPlan
from backend.domain.prediction import HardExample, Prediction
from backend.domain.registry import Approval
from backend.domain.scaling import Autoscaling
from backend.domain.serving import Stage
from backend.domain.tuning import StopMode
from backend.errors import PermissionDeniedError
from backend.services.delivery import Order
from backend.services.runs import Runs
from backend.services.searching import TuningPlan
from backend.settings import ROOT
from tests.fakes.backend import NOON, World, make_world
from tests.fakes.serving import FakeServing

SEEN: Final = np.zeros((28, 28), np.uint8)
PREDICTION: Final = Prediction(label=1, probabilities=(0.1,) * 10, latency_ms=1.0, stage=Stage.STAGING, version=1)
EXAMPLE: Final = HardExample(
    id="e", label=7, predicted=1, version=1, stage=Stage.STAGING, at=NOON, by="ada", pixels=bytes([9]) * 784
)

Effect = tuple[Role, Callable[[Backend, Actor], object]]
EFFECTS: Final[Mapping[str, Effect]] = {
    "Launching.train": (Role.OPERATOR, lambda b, a: b.launching.train(actor=a, preset="fast", overrides={}, name="x")),
    "Launching.resume": (Role.OPERATOR, lambda b, a: b.launching.resume("failed", actor=a)),
    "Launching.stop": (Role.OPERATOR, lambda b, a: b.launching.stop("running", actor=a)),
    "Searching.tune": (Role.OPERATOR, lambda b, a: b.searching.tune(TuningPlan(preset="fast"), actor=a)),
    "Searching.resume": (Role.OPERATOR, lambda b, a: b.searching.resume("search", actor=a)),
    "Searching.stop": (Role.OPERATOR, lambda b, a: b.searching.stop("search", StopMode.NOW, actor=a)),
    "Registration.register_job": (Role.OPERATOR, lambda b, a: b.registration.register_job("other", actor=a)),
    "Registration.register_archive": (
        Role.OPERATOR,
        lambda b, a: b.registration.register_archive(Path("no-archive"), actor=a),
    ),
    "Evaluating.evaluate": (Role.OPERATOR, lambda b, a: b.evaluating.evaluate(1, actor=a, say=_tell)),
    "Evaluating.start": (Role.OPERATOR, lambda b, a: b.evaluating.start([1], actor=a, key="0" * 12)),
    "RunSync.start": (Role.OPERATOR, lambda b, a: b.run_sync.start(["run"], actor=a)),
    "RunSync.run": (Role.OPERATOR, lambda b, a: b.run_sync.run(["run"], actor=a)),
    "Guard.restore": (Role.OPERATOR, lambda b, a: b.guard.restore(Stage.STAGING, actor=a)),
    "Guard.accept": (Role.OPERATOR, lambda b, a: b.guard.accept(Stage.STAGING, actor=a)),
    "Guard.accept prod": (Role.APPROVER, lambda b, a: b.guard.accept(Stage.PROD, actor=a)),
    "Promotion.restore": (Role.OPERATOR, lambda b, a: b.promotion.restore(Stage.STAGING, actor=a)),
    "Registration.comment": (Role.OPERATOR, lambda b, a: b.registration.comment(1, "Its nines look odd.", actor=a)),
    "Registration.decide": (Role.APPROVER, lambda b, a: b.registration.decide(2, Approval.APPROVED, actor=a)),
    "Promotion.promote": (Role.OPERATOR, lambda b, a: b.promotion.promote(Stage.STAGING, 3, actor=a)),
    "Promotion.promote to prod": (Role.APPROVER, lambda b, a: b.promotion.promote(Stage.PROD, 3, actor=a)),
    "Promotion.promote with an override": (
        Role.APPROVER,
        lambda b, a: b.promotion.promote(Stage.STAGING, 3, actor=a, override="because I say so"),
    ),
    "Promotion.roll_back": (Role.OPERATOR, lambda b, a: b.promotion.roll_back(Stage.STAGING, actor=a)),
    "Promotion.roll_back prod": (Role.APPROVER, lambda b, a: b.promotion.roll_back(Stage.PROD, actor=a)),
    "PredictionService.correct": (Role.OPERATOR, lambda b, a: b.prediction.correct(PREDICTION, 4, SEEN, [], actor=a)),
    "PredictionService.remove_example": (Role.OPERATOR, lambda b, a: b.prediction.remove_example("e", actor=a)),
    "PredictionService.keep_again": (
        Role.OPERATOR,
        lambda b, a: b.prediction.keep_again(dataclasses.replace(EXAMPLE, id="f"), actor=a),
    ),
    "ExampleSetService.keep": (Role.OPERATOR, lambda b, a: b.labelling.keep("sevens", actor=a)),
    "ExampleSetService.for_training": (Role.OPERATOR, lambda b, a: b.labelling.for_training(0.1, "now", actor=a)),
    "Endpoints.load_test": (
        Role.OPERATOR,
        lambda b, a: b.endpoints.load_test(Stage.STAGING, LoadPlan(concurrency=1, seconds=1), actor=a, progress=_tell),
    ),
    "Endpoints.restart": (Role.OPERATOR, lambda b, a: b.endpoints.restart(Stage.STAGING, actor=a)),
    "Endpoints.suspend": (Role.OPERATOR, lambda b, a: b.endpoints.suspend(Stage.STAGING, actor=a)),
    "Endpoints.delete": (Role.OPERATOR, lambda b, a: b.endpoints.delete(Stage.STAGING, actor=a)),
    "Endpoints.delete prod": (Role.APPROVER, lambda b, a: b.endpoints.delete(Stage.PROD, actor=a)),
    "Delivery.deliver": (Role.OPERATOR, lambda b, a: _delivered(b, a, Stage.STAGING)),
    "Delivery.deliver to prod": (Role.APPROVER, lambda b, a: _delivered(b, a, Stage.PROD)),
    "Teardown.own": (Role.OPERATOR, lambda b, a: b.teardown.own(Stage.STAGING, actor=a)),
    "Teardown.suffix": (Role.OPERATOR, lambda b, a: b.teardown.suffix(Stage.STAGING, "pr1-0", actor=a)),
    "Teardown.suffix of prod": (Role.APPROVER, lambda b, a: b.teardown.suffix(Stage.PROD, "pr1-0", actor=a)),
    "Teardown.pull_request": (Role.OPERATOR, lambda b, a: b.teardown.pull_request(Stage.STAGING, 1, actor=a)),
    "Teardown.expired": (Role.OPERATOR, lambda b, a: b.teardown.expired(Stage.STAGING, actor=a)),
    "Declaring.write": (Role.OPERATOR, lambda b, a: b.declaring.write(3, actor=a)),
    "Declaring.propose": (Role.OPERATOR, lambda b, a: b.declaring.propose(3, actor=a)),
    "Commenting.comment": (Role.OPERATOR, lambda b, a: b.commenting.comment(1, marker="m", body="m", actor=a)),
    "FleetService.scale": (Role.OPERATOR, lambda b, a: b.fleets.scale(Stage.STAGING, 2, actor=a)),
    "FleetService.scale prod": (Role.APPROVER, lambda b, a: b.fleets.scale(Stage.PROD, 2, actor=a)),
    "FleetService.scale_automatically": (
        Role.OPERATOR,
        lambda b, a: b.fleets.scale_automatically(
            Stage.STAGING, Autoscaling(minimum=1, maximum=2, per_minute=100), actor=a
        ),
    ),
    "FleetService.scale_by_hand": (Role.OPERATOR, lambda b, a: b.fleets.scale_by_hand(Stage.STAGING, actor=a)),
    "FleetService.watch": (Role.OPERATOR, lambda b, a: b.fleets.watch(Stage.STAGING, actor=a)),
    "LifetimeService.extend": (Role.OPERATOR, lambda b, a: b.expiry.extend(Stage.STAGING, 1, actor=a)),
    "LifetimeService.lift": (Role.OPERATOR, lambda b, a: b.expiry.lift(Stage.STAGING, actor=a)),
    "LifetimeService.take_down_due": (Role.OPERATOR, lambda b, a: _overdue(b).expiry.take_down_due(actor=a)),
    "Quickstart.start": (Role.APPROVER, lambda b, a: b.quickstart.start(actor=a, preset="fast")),
    "Quickstart.run": (Role.APPROVER, lambda b, a: b.quickstart.run("quickstart-1", actor=a, preset="fast")),
}
"""A word after the method tells cases of one effect apart that need different roles."""
ASKED_BY_THE_CLOCK: Final = {"LifetimeService.take_down_due"}
"""`guard` in a crontab asks each minute, for whatever role it has: a refusal is told there, and keeps no event."""
READS: Final = {
    "Delivery.plan",
    "Delivery.served",
    "Declaring.look",
    "Declaring.change_to",
    "Searching.request",
    "Promotion.plan",
    "Promotion.rollback_plan",
    "Promotion.needed_role",
    "Promotion.history",
    "Promotion.settle",  # writes down what is so already: that a process died
    "PredictionService.predict",
    "PredictionService.try_candidate",
    "PredictionService.predict_files",
    "PredictionService.answers",
    "PredictionService.explain",
    "ExampleSetService.drawings",
    "Sampling.samples",
    "Sampling.image",
    "Quickstart.latest",
    "Quickstart.next_id",
    "Doctor.examine",
    "Watching.idle",
    "Watching.answers",
    "Gates.declared",
    "Gates.look",
    "Gates.evaluate",
    "Gates.example_sets",
    "Promotion.require_restorer",
    "Guard.look",
    "Guard.acceptable",
    "Guard.why_not_accept",
    "Guard.why_not_restore",
    "EvidenceService.of",
    "EvidenceService.at",
    "EvidenceService.eras",
    "Comparing.compare",
    "Comparing.require",
    "RunSync.latest",
    "RunSync.next_id",
    "RunSync.refusal",
    "RunSync.waiting",
    *(f"Runs.{name}" for name, _ in inspect.getmembers(Runs, inspect.isfunction) if not name.startswith("_")),
}
PORT_READS: Final = {
    "training": {
        *("describe", "list_jobs", "read_log", "metric_points", "fetch_archive", "fetch_output"),
        *("freshness", "unsupported", "outlook"),
    },
    "tuning": {"describe", "list_jobs", "read_log", "importance", "unsupported"},
    "registry": {"get", "list_versions", "decisions", "fetch_archive"},
    "serving": {"describe", "measure", "hourly_cost", "unsupported"},
    "deployments": {"get", "history"},
    # Started is a command, and that one asks for the role.
    "operations": {"start", "is_running", "running", "answer", "output"},
    "audit": {"list_events", "count", "words"},
    "examples": {"list_examples"},
    "example_sets": {"list_sets"},
    "evaluations": {"predictions", "evaluated", "data"},
    "traffic": {"samples", "last_request", "source"},
    "tallies": {"read"},
    "server_logs": {"read", "sources"},
    "lifetimes": {"read"},
}
"""What pages and commands may do without a service."""
OUTSIDE: Final = sorted(
    path
    for room in ("app", "pages", "backend/cli")
    for path in (ROOT / room).rglob("*.py")
    if path != ROOT / "app" / "__main__.py"  # starting the dashboard lets the stages serve again what they should
)


def _tell(*_: object) -> None: ...


def _delivered(backend: Backend, actor: Actor, stage: Stage) -> None:
    """A delivery tells what stopped it; here that is raised."""
    config = backend.declaring.look().config
    done = backend.delivery.deliver(Order(config=config, folder=ROOT, stage=stage), actor=actor, say=_tell)
    if done.error is not None:
        raise done.error


def _overdue(backend: Backend) -> Backend:
    """Staging's time is over, on a platform that does not see to that by itself."""
    backend.serving.unsupported = {Feature.TAKE_DOWN: "Nobody runs there."}
    backend.lifetimes.keep(Stage.STAGING, Lifetime(until=NOON))
    return backend


def public_methods() -> set[str]:
    services = [kind for kind in get_type_hints(Backend).values() if kind.__module__.startswith("backend.services")]
    return {
        f"{kind.__name__}.{name}"
        for kind in services
        for name, _ in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world in which every effect could take hold: jobs in every state, versions, both stages serving.

    One for all: each test sees that nothing happened in it.
    """
    home = tmp_path_factory.mktemp("home")
    world = make_world(home, FakeServing(home / "locks"))
    ada = world.backend.actor
    for number in (1, 2, 3):
        world.add_job(f"job-{number}", sharpness=float(number))
        world.backend.registration.register_job(f"job-{number}", actor=ada)
    for number in (1, 3):
        world.backend.registration.decide(number, Approval.APPROVED, actor=ada)
    world.add_job("other", sharpness=4.0)
    world.add_job("failed", JobStatus.FAILED)
    world.add_job("running", JobStatus.PENDING)
    world.add_tuning_job("search", JobStatus.STOPPED, (0.9,), archives=False)
    for stage in Stage:
        world.backend.promotion.promote(stage, 1, actor=ada)
    world.backend.examples.add(EXAMPLE)
    return world


def kept(world: World) -> Mapping[str, Any]:
    """Everything that is written down but the audit, and what the stages serve."""
    database = Database(world.home.database)
    with database.read() as connection:
        tables = [table for table in metadata.sorted_tables if table is not audit_events]
        rows = {table.name: connection.execute(select(table)).all() for table in tables}
    return {**rows, **{stage.value: world.backend.serving.describe(stage) for stage in Stage}}


def test_every_method_of_a_service_is_an_effect_with_a_role_or_a_read() -> None:
    effects = {name.split(" ")[0] for name in EFFECTS}
    assert effects & READS == set()
    assert public_methods() - effects - READS == set(), "name its role in EFFECTS, or that it changes nothing in READS"
    assert (effects | READS) - public_methods() == set(), "no service has this any more"


def test_every_effect_is_done_by_somebody() -> None:
    """An effect takes an actor; what takes none cannot ask for a role."""
    services = {kind.__name__: kind for kind in get_type_hints(Backend).values()}
    for effect in EFFECTS:
        service, method = effect.split(" ")[0].split(".")
        assert "actor" in inspect.signature(getattr(services[service], method)).parameters, effect


@pytest.mark.parametrize("name", EFFECTS)
def test_below_its_role_nothing_happens(world: World, name: str) -> None:
    needed, act = EFFECTS[name]
    before = kept(world)
    for role in (role for role in Role if role.rank < needed.rank):
        with pytest.raises(PermissionDeniedError, match=rf"'eve' may not .*: role is {role.value}, needed"):
            act(world.backend, Actor(name="eve", role=role))
        if name not in ASKED_BY_THE_CLOCK:
            tried = world.backend.audit.list_events(limit=1)[0]
            assert (tried.actor, tried.outcome) == ("eve", "refused"), "who looks for misuse asks what was tried"
            assert tried.after["error"].startswith("PermissionDeniedError: 'eve' may not ")
    assert kept(world) == before


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_and_no_command_goes_past_the_services(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)):
            continue
        port, owner = node.value.attr, node.value.value
        named = owner.func if isinstance(owner, ast.Call) else owner
        if isinstance(named, ast.Name) and named.id == "backend" and port in PORT_READS:
            assert node.attr in PORT_READS[port], f"{path.name}:{node.lineno} calls {port}.{node.attr}: use a service"
