"""What the repository declares beside what is served, and the change that says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from backend.adapters.local.model_file import LocalModelFile
from backend.domain.drift import Difference
from backend.domain.registry import Approval
from backend.domain.serving import Endpoint, Stage
from backend.errors import NotFoundError, WrongStateError
from backend.ports.pull_requests import Proposal, PullRequest
from backend.services.auditing import Auditor
from backend.services.declaring import MODEL, Declaring
from backend.settings import ROOT
from tests.fakes.backend import World, make_world, now
from tests.fakes.serving import FakeServing

FILE = "digit_classification.yaml"


class Opened:
    """`PullRequests` that keeps what was proposed."""

    def __init__(self) -> None:
        self.proposals: list[Proposal] = []

    def propose(self, proposal: Proposal) -> PullRequest:
        self.proposals.append(proposal)
        return PullRequest(number=7, url="https://example.org/7", is_new=True)

    def comment(self, number: int, *, marker: str, body: str) -> str:
        raise AssertionError


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Versions 1 to 3, of which 3 has the bytes of 2; version 1 is declared and serves at prod."""
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    for number, sharpness in ((1, 1.0), (2, 2.0), (3, 2.0)):
        world.add_job(f"job-{number}", sharpness=sharpness)
        world.backend.registration.register_job(f"job-{number}", actor=world.backend.actor)
        world.backend.registration.decide(number, Approval.APPROVED, actor=world.backend.actor)
    world.backend.promotion.promote(Stage.PROD, 1, actor=world.backend.actor)
    (tmp_path / FILE).write_text((ROOT / "models" / FILE).read_text())
    return world


@pytest.fixture
def declaring(world: World, opened: Opened, tmp_path: Path) -> Declaring:
    backend = world.backend
    return Declaring(
        LocalModelFile(tmp_path / FILE, tmp_path),
        backend.registry,
        backend.serving,
        opened,
        Auditor(backend.audit, now),
        can_propose=True,
    )


def declares(folder: Path, **values: str) -> None:
    """Keys take other values; one that is not there comes below `model_uri`."""
    lines = (folder / FILE).read_text().splitlines()
    for key, value in values.items():
        lines = [line for line in lines if not line.startswith(f"{key}:")]
        place = next((n for n, line in enumerate(lines) if line.startswith("triton_image_uri:")), len(lines))
        lines.insert(place, f"{key}: {value}")
    (folder / FILE).write_text("\n".join(lines) + "\n")


def test_prod_decides_what_is_in_step(world: World, declaring: Declaring) -> None:
    assert declaring.look().in_step
    world.backend.promotion.promote(Stage.STAGING, 2, actor=world.backend.actor)
    found = declaring.look()
    assert found.in_step
    assert found.differences[Stage.STAGING] == [Difference(what=MODEL, wanted="v1", served="v2")]
    world.backend.promotion.promote(Stage.PROD, 2, actor=world.backend.actor)
    assert not declaring.look().in_step


def test_the_same_bytes_under_another_number_are_in_step(world: World, declaring: Declaring, tmp_path: Path) -> None:
    world.backend.promotion.promote(Stage.PROD, 2, actor=world.backend.actor)
    declares(tmp_path, model_uri="model-version:3")
    assert declaring.look().in_step


def test_a_digest_names_the_version_and_one_that_does_not_fit_names_none(
    world: World, declaring: Declaring, tmp_path: Path
) -> None:
    first, second = (world.backend.registry.get(number).sha256 for number in (1, 2))
    declares(tmp_path, model_uri="s3://bucket/a/model.tar.gz", sha256=second)
    found = declaring.look()
    assert found.version is not None and found.version.sha256 == second
    declares(tmp_path, sha256=first)
    assert declaring.look().in_step
    declares(tmp_path, model_uri="model-version:1", sha256=second)
    found = declaring.look()
    assert (found.version, found.in_step) == (None, False)
    assert found.differences[Stage.PROD] == [Difference(what=MODEL, wanted="model-version:1", served="v1")]


def test_an_archive_that_nobody_registered_is_in_step_where_its_bytes_serve(
    world: World, declaring: Declaring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declares(tmp_path, model_uri="s3://bucket/a/model.tar.gz", sha256="e" * 64)
    found = declaring.look()
    assert (found.version, found.in_step) == (None, False)
    prod = world.backend.serving.describe(Stage.PROD)
    assert prod.served is not None
    theirs = replace(prod, served=replace(prod.served, sha256="e" * 64))
    monkeypatch.setattr(world.backend.serving, "describe", lambda _: theirs)
    assert declaring.look().in_step


@pytest.mark.parametrize(
    ("hosted", "different"),
    [
        ({}, []),
        ({"instance_type": "ml.m5.large", "instance_count": "1", "triton_image_uri": "x.ecr/triton:1"}, []),
        ({"instance_type": "ml.c6i.large", "instance_count": "1"}, [("instance_type", "ml.m5.large", "ml.c6i.large")]),
        ({"instance_type": "ml.m5.large", "instance_count": "3"}, [("instance_count", "1", "3")]),
    ],
    ids=["no choice", "as declared", "another type", "more of them"],
)
def test_what_prod_runs_on_is_declared_too(
    world: World,
    declaring: Declaring,
    monkeypatch: pytest.MonkeyPatch,
    hosted: Mapping[str, str],
    different: list[tuple[str, str, str]],
) -> None:
    describe = world.backend.serving.describe
    world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)

    def described(stage: Stage) -> Endpoint:
        return replace(describe(stage), hosted=hosted)

    monkeypatch.setattr(world.backend.serving, "describe", described)
    found = declaring.look()
    assert [(one.what, one.wanted, one.served) for one in found.differences[Stage.PROD]] == different
    assert found.in_step is (different == [])
    assert found.differences[Stage.STAGING] == [], "a pull request's endpoint has one instance, whatever is declared"


def test_a_declared_image_must_be_the_one_that_runs(
    world: World, declaring: Declaring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prod = replace(world.backend.serving.describe(Stage.PROD), hosted={"triton_image_uri": "x.ecr/triton:1"})
    monkeypatch.setattr(world.backend.serving, "describe", lambda _: prod)
    assert declaring.look().in_step
    declares(tmp_path, triton_image_uri="x.ecr/triton:2")
    assert [one.what for one in declaring.look().differences[Stage.PROD]] == ["triton_image_uri"]


def test_the_change_is_written_once_and_says_who_did_it(world: World, declaring: Declaring, tmp_path: Path) -> None:
    actor = world.backend.actor
    change = declaring.write(2, actor=actor)
    assert (tmp_path / FILE).read_text() == change.after != change.before
    assert f"+sha256: {world.backend.registry.get(2).sha256}" in change.patch
    written = (tmp_path / FILE).stat().st_mtime_ns
    again = declaring.write(2, actor=actor)
    assert (again.patch, (tmp_path / FILE).stat().st_mtime_ns) == ("", written)
    events = [event.after for event in world.backend.audit.list_events() if event.action == "declare"]
    assert events == [{"file": FILE, "changed": False}, {"file": FILE, "changed": True}]


def test_what_is_declared_another_way_is_not_written_anew(declaring: Declaring, world: World, tmp_path: Path) -> None:
    declares(tmp_path, model_uri="s3://bucket/a/model.tar.gz", sha256=world.backend.registry.get(1).sha256)
    assert declaring.change_to(1).patch == ""


def test_a_proposal_carries_the_change_and_the_facts(world: World, declaring: Declaring, opened: Opened) -> None:
    made = declaring.propose(2, actor=world.backend.actor)
    (proposal,) = opened.proposals
    assert (made.number, proposal.path, proposal.title) == (7, FILE, "Serve version 2")
    assert proposal.branch.startswith("declare-v2-")
    assert "model_uri: model-version:2\n" in proposal.change((ROOT / "models" / FILE).read_text())
    sha256 = world.backend.registry.get(2).sha256
    assert f"SHA-256 `{sha256}`" in proposal.body and "approval: Approved" in proposal.body
    (event,) = [event for event in world.backend.audit.list_events() if event.action == "propose"]
    assert event.after == {"pull_request": 7, "url": "https://example.org/7", "new": True}


def test_what_cannot_be_proposed_is_refused_and_recorded(world: World, declaring: Declaring, opened: Opened) -> None:
    with pytest.raises(WrongStateError, match="declares version 1 already"):
        declaring.propose(1, actor=world.backend.actor)
    with pytest.raises(NotFoundError):
        declaring.propose(99, actor=world.backend.actor)
    assert opened.proposals == []
    outcomes = [event.outcome for event in world.backend.audit.list_events() if event.action == "propose"]
    assert outcomes == ["failed", "refused"]
