"""Evidence: it has everything, from records that later changes cannot touch, and its file needs nothing beside it."""

from __future__ import annotations

import re
from array import array
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from backend.adapters.local.evaluations import LocalEvaluations
from backend.cli.documents import evidence_document
from backend.domain.gates import GateResult, GateStatus, Override
from backend.domain.identity import Actor, Role
from backend.domain.origin import Origin
from backend.domain.predictions import PIXELS, DataKind, LabelledImages, Predictions
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.errors import NotFoundError
from backend.services.evidence_html import evidence_html
from backend.services.evidence_sections import headline, sections
from tests.fakes.backend import NOON, World, make_world
from tests.fakes.load import FakeLoad
from tests.fakes.serving import FakeServing

ADA = Actor(name="ada", role=Role.APPROVER)
BOB = Actor(name="bob <script>alert(1)</script>", role=Role.APPROVER)
STAGE = Stage.PROD


@pytest.fixture
def load() -> FakeLoad:
    return FakeLoad()


@pytest.fixture
def world(tmp_path: Path, load: FakeLoad) -> World:
    """Versions 1 and 2, approved."""
    world = make_world(tmp_path, FakeServing(tmp_path / "locks"), load)
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=number)
        world.backend.registration.register_job(f"job-{number}", actor=ADA)
        world.backend.registration.decide(number, Approval.APPROVED, actor=BOB, comment=f"fine & <b>fast</b> {number}")
    return world


def test_the_probe_stream_of_a_switch_is_part_of_the_record(world: World, load: FakeLoad) -> None:
    first = world.backend.promotion.promote(STAGE, 1, actor=ADA)
    assert first.probe is not None
    assert (first.probe.before.requests, first.probe.during.requests) == (0, 0)  # nothing served before
    second = world.backend.promotion.promote(STAGE, 2, actor=ADA)
    assert second.probe is not None
    assert (second.probe.before.requests, second.probe.after.requests, second.probe.failed) == (1, 1, 0)
    assert second.probe.versions == (1, 2)
    assert world.backend.deployments.get(second.id).probe == second.probe
    load.failing = 1
    third = world.backend.promotion.roll_back(STAGE, actor=ADA)
    assert third.probe is not None
    assert (third.probe.failed, third.probe.failures) == (1, {"timeout": 1})
    assert world.backend.promotion.promote(STAGE, 1, actor=ADA).probe is None  # unchanged: nobody was asked


def test_a_deployment_that_fails_keeps_its_probe_stream(world: World) -> None:
    world.backend.promotion.promote(STAGE, 1, actor=ADA)
    archive = world.home.version(2)
    archive.chmod(0o644)
    archive.write_bytes(archive.read_bytes()[:-20])
    failed = world.backend.promotion.promote(STAGE, 2, actor=ADA)
    assert failed.outcome is Outcome.FAILED
    assert failed.probe is not None
    assert failed.probe.requests == 2


def test_evidence_tells_the_decision_as_it_was_when_the_deployment_began(world: World) -> None:
    done = world.backend.promotion.promote(STAGE, 2, actor=ADA)
    world.backend.registration.decide(2, Approval.REJECTED, actor=ADA, comment="second thoughts")
    decision = world.backend.evidence.of(done.id).decision
    assert decision is not None
    assert (decision.verb, decision.by, decision.comment) == ("approve", BOB.name, "fine & <b>fast</b> 2")


def test_version_12_is_not_version_1s_decision(world: World) -> None:
    """Subjects are searched as text."""
    for number in range(3, 13):
        world.add_job(f"job-{number}", sharpness=number)
        world.backend.registration.register_job(f"job-{number}", actor=ADA)
    world.backend.registration.decide(12, Approval.APPROVED, actor=ADA, comment="twelve")
    done = world.backend.promotion.promote(STAGE, 1, actor=ADA)
    decision = world.backend.evidence.of(done.id).decision
    assert decision is not None
    assert decision.comment == "fine & <b>fast</b> 1"


def test_the_events_of_the_same_request_are_there(world: World) -> None:
    done = world.backend.promotion.promote(STAGE, 1, actor=ADA)
    (event,) = world.backend.evidence.of(done.id).events
    assert (event.action, event.after["deployment"], event.correlation) == ("promote", done.id, done.correlation)


def test_an_unknown_deployment_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError):
        world.backend.evidence.of("prod-v9-x")


def test_the_file_says_all_of_it_and_needs_nothing_from_anywhere(world: World) -> None:
    world.backend.promotion.promote(STAGE, 1, actor=ADA)
    done = world.backend.promotion.promote(STAGE, 2, actor=BOB)
    evidence = world.backend.evidence.of(done.id)
    gates = (
        GateResult(name="not_worse", status=GateStatus.PASSED, reason="31 fixed, 12 broken", observed=0.005),
        GateResult(name="latency", status=GateStatus.FAILED, reason="too slow", observed=31.5, threshold=25, unit="ms"),
    )
    override = Override(by="ada", reason="the customer cannot wait", gates=("latency",))
    origin = Origin(commit="c" * 40, run_url="https://github.com/o/r/actions/runs/7")
    evidence = replace(evidence, deployment=replace(done, gates=gates, override=override, origin=origin))

    page = evidence_html(evidence)

    text = re.sub(r"\s+", " ", _Text.of(page))
    for said in (
        "prod: v1 → v2, Succeeded",
        "bob <script>alert(1)</script>",
        "fine & <b>fast</b> 2",
        "not_worse Passed 0.005 – 31 fixed, 12 broken",
        "latency Failed 31.5 ms 25 ms too slow",
        "ada: the customer cannot wait (latency)",
        "c" * 40,
        "https://github.com/o/r/actions/runs/7",
        "0 of 2 requests failed",
        "v1 → v2",
        done.sha256,
        done.correlation,
        "90.00%",
        *(step.name for step in done.steps),
    ):
        assert said in text, said
    assert _Text.tags(page) <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p"),
        *("div", "table", "thead", "tbody", "tr", "th", "td", "figure", "img", "figcaption"),
    }
    assert not re.search(r"(src=|href=|url\(|@import)", page)


def test_sections_are_the_same_for_page_and_file(world: World) -> None:
    done = world.backend.promotion.promote(STAGE, 1, actor=ADA)
    evidence = world.backend.evidence.of(done.id)
    assert headline(evidence) == "prod: nothing → v1, Succeeded"
    titles = [section.title for section in sections(evidence)]
    assert titles[:2] == ["What was done", "Gates"]
    assert {"Probe stream", "Steps", "Audit"} <= set(titles)
    for section in sections(evidence):
        assert all(len(row) == len(section.columns) for row in section.rows), section.title


def test_what_was_in_prod_at_a_moment(world: World) -> None:
    first = world.backend.promotion.promote(STAGE, 1, actor=ADA)
    second = world.backend.promotion.promote(STAGE, 2, actor=ADA)
    assert first.ended_at is not None
    assert second.ended_at is not None
    assert world.backend.evidence.at(STAGE, first.started_at - timedelta(seconds=1))[0] is None
    era, drifted = world.backend.evidence.at(STAGE, first.ended_at)
    assert era is not None
    assert (era.deployment, drifted) == (first.id, [])
    assert (world.backend.evidence.at(STAGE, second.ended_at)[0] or era).deployment == second.id
    world.backend.endpoints.delete(STAGE, actor=ADA)
    after = world.backend.evidence.eras(STAGE)[-1]
    assert (after.model, after.by) == (None, "ada")


class _Text(HTMLParser):
    """What a browser would show of a page, and the tags that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @classmethod
    def of(cls, page: str) -> str:
        parser = cls()
        parser.feed(page)
        return " ".join(parser.text)

    @classmethod
    def tags(cls, page: str) -> set[str]:
        parser = cls()
        parser.feed(page)
        return parser.seen


def evaluated(world: World, version: int, said: str, labels: str = "0123456789" * 3) -> None:
    """The version read the images as `said`; each image is full of its own place's brightness."""
    images = LabelledImages(
        name="mnist",
        images=b"".join(bytes([place]) * PIXELS for place in range(len(labels))),
        labels=bytes(map(int, labels)),
    )
    store = LocalEvaluations(world.home)
    store.save_data(images)
    store.save(
        Predictions(
            archive_sha256=world.backend.registry.get(version).sha256,
            kind=DataKind.TEST,
            data_name="mnist",
            data_sha256=images.sha256,
            at=NOON,
            labels=images.labels,
            predicted=bytes(map(int, said)),
            probabilities=array("f", [0.1] * 10 * len(labels)),
        )
    )


class TestComparison:
    def test_the_images_that_changed_are_in_evidence_file_and_document(self, world: World) -> None:
        world.backend.promotion.promote(STAGE, 1, actor=ADA)
        done = world.backend.promotion.promote(STAGE, 2, actor=ADA)
        digits = "0123456789"
        evaluated(world, 1, "1123456789" + digits + "0123456780")  # wrong at 0 and 29
        evaluated(world, 2, "0123456789" + "0123456389" + "0123456780")  # wrong at 17 and 29
        evidence = world.backend.evidence.of(done.id)

        (compared,) = evidence.comparisons
        assert (compared.verdict.pair.fixed, compared.verdict.pair.broken, compared.verdict.pair.n) == (1, 1, 30)
        (fixed,), (broken,) = compared.fixed, compared.broken
        assert (fixed.place, fixed.label, fixed.before, fixed.after) == (0, 0, 1, 0)
        assert (broken.place, broken.label, broken.before, broken.after) == (17, 7, 7, 3)
        assert broken.pixels == bytes([17]) * PIXELS
        page = evidence_html(evidence)
        assert "7: 7 → 3" in page
        assert page.count('<img src="data:image/png;base64,') == 2
        document = evidence_document(evidence)["comparisons"][0]
        assert (document["fixed"], document["broken"], document["n"]) == (1, 1, 30)
        assert document["images"]["broken"] == [{"place": 17, "label": 7, "before": 7, "after": 3}]
        assert document["p_value"] == 1.0

    def test_versions_without_a_common_set_say_so(self, world: World) -> None:
        world.backend.promotion.promote(STAGE, 1, actor=ADA)
        done = world.backend.promotion.promote(STAGE, 2, actor=ADA)
        evaluated(world, 2, "0123456789" * 3)
        evaluated(world, 1, "0123456789" * 2, labels="0123456789" * 2)
        evidence = world.backend.evidence.of(done.id)
        assert evidence.comparisons == ()
        assert "The two were not evaluated on the same images." in evidence_html(evidence)

    def test_the_first_deployment_has_nothing_to_compare_with(self, world: World) -> None:
        done = world.backend.promotion.promote(STAGE, 1, actor=ADA)
        assert "There is nothing to compare with." in evidence_html(world.backend.evidence.of(done.id))
