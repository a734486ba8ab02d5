"""Named sets of hard examples: what a training, an evaluation and a gate are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from backend.digits.known_digits import canaries
from backend.domain.audit import AuditFilter
from backend.domain.gates import Gate, GateName, GateResult, GateStatus
from backend.domain.prediction import HardExample
from backend.domain.predictions import DataKind
from backend.domain.search_space import parse_space
from backend.domain.serving import Stage
from backend.errors import InvalidInputError, NotFoundError, RefusedError
from backend.services import labelled_drawings
from backend.services.searching import TuningPlan
from tests.contract.archives import constant_model
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing
from tests.unit.services.test_launching import ADA, example, given, wait_for_end

ON_SEVENS = Gate(name=GateName.HARD_EXAMPLES, limits={"tolerance": 0.1}, examples="sevens")
ON_THOSE_OF_NOW = Gate(name=GateName.HARD_EXAMPLES, limits={"tolerance": 0.1})


def world_with(folder: Path, *gates: Gate) -> World:
    declared: Mapping[Stage, Sequence[Gate]] = {Stage.STAGING: (), Stage.PROD: gates}
    return make_world(folder / "home", FakeServing(folder / "locks"), gates=declared)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = world_with(tmp_path)
    world.backend.examples.add(example(10, 7))
    return world


class TestKeeping:
    def test_a_set_stays_whatever_becomes_of_the_drawings(self, world: World) -> None:
        kept = world.backend.labelling.keep("sevens", actor=ADA, comment=" crossed ")
        assert (kept.name, kept.n, kept.by, kept.comment) == ("sevens", 1, "ada", "crossed")
        world.backend.examples.add(example(20, 2, 1))
        world.backend.prediction.remove_example("10-7", actor=ADA)
        name, drawings = world.backend.labelling.drawings("sevens")
        assert (name, drawings.count, drawings.sha256) == ("sevens", 1, kept.sha256)
        assert drawings.images(name).labels == bytes([7])
        assert world.backend.labelling.drawings(kept.sha256[:12])[1] == drawings
        assert world.backend.labelling.drawings()[1].sha256 != kept.sha256
        (event,) = world.backend.audit.list_events(AuditFilter(subject="hard example set sevens"))
        assert (event.action, event.after) == ("keep", {"n": 1, "sha256": kept.sha256})

    def test_the_same_drawings_are_kept_once(self, world: World) -> None:
        first = world.backend.labelling.keep("sevens", actor=ADA)
        assert world.backend.labelling.keep("others", actor=ADA) == first
        assert list(world.backend.example_sets.list_sets()) == [first]

    def test_without_a_drawing_there_is_nothing_to_keep(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedError, match="No drawing has been labelled yet: there is no set to keep"):
            world_with(tmp_path).backend.labelling.keep("sevens", actor=ADA)

    @pytest.mark.parametrize("name", ["now", "Sevens", "a b", "../x", "deadbeef", "x" * 41, "é"])
    def test_a_name_that_could_mean_something_else_is_refused(self, world: World, name: str) -> None:
        with pytest.raises(InvalidInputError, match="The set's name is "):
            world.backend.labelling.keep(name, actor=ADA)

    def test_a_long_comment_is_refused(self, world: World) -> None:
        with pytest.raises(InvalidInputError, match="The comment has 301 characters; at most 300"):
            world.backend.labelling.keep("sevens", actor=ADA, comment="x" * 301)


class TestOnePictureOneLabel:
    def test_the_last_word_counts_also_when_it_was_the_first(self, world: World) -> None:
        for minutes, label in enumerate((1, 7, 1), start=1):
            world.backend.examples.add(example(30, label, minutes))
        kept = [one for one in world.backend.examples.list_examples() if one.pixels[0] == 30]
        assert [(one.label, one.id) for one in kept] == [(1, "30-1")]


class TestTraining:
    def test_a_job_is_given_the_named_set_and_records_its_digest(self, world: World) -> None:
        kept = world.backend.labelling.keep("sevens", actor=ADA)
        world.backend.examples.add(example(20, 2, 1))
        values = {"hard_examples": 0.1, "hard_examples_set": "sevens"}
        job = world.backend.launching.train(actor=ADA, preset="fast", overrides=values, name="first")
        assert job.request.hyperparameters["hard_examples_set"] == kept.sha256
        assert given(world, "first")["labels"].tolist() == [7]
        (event,) = world.backend.audit.list_events(AuditFilter(subject="job first"))
        assert event.after["hard_examples"] == {"n": 1, "sha256": kept.sha256}
        wait_for_end(world, "first")

    def test_the_drawings_of_now_are_kept_so_that_another_job_can_be_given_them(self, world: World) -> None:
        job = world.backend.launching.train(actor=ADA, preset="fast", overrides={"hard_examples": 0.1}, name="first")
        (kept,) = world.backend.example_sets.list_sets()
        assert job.request.hyperparameters["hard_examples_set"] == kept.sha256
        assert kept.name == f"set-{kept.sha256[:8]}"
        world.backend.prediction.remove_example("10-7", actor=ADA)
        again = dict(job.request.hyperparameters)
        world.backend.launching.train(actor=ADA, preset="fast", overrides=again, name="second")
        assert given(world, "second")["labels"].tolist() == [7]
        for name in ("first", "second"):
            wait_for_end(world, name)

    def test_a_set_that_is_not_there_is_refused_before_anything_is_launched(self, world: World) -> None:
        values = {"hard_examples": 0.1, "hard_examples_set": "eights"}
        with pytest.raises(NotFoundError, match="There is no set of hard examples 'eights'"):
            world.backend.launching.train(actor=ADA, preset="fast", overrides=values)
        assert list(world.backend.training.list_jobs()) == []

    def test_the_trials_of_a_search_are_given_it(self, world: World) -> None:
        kept = world.backend.labelling.keep("sevens", actor=ADA)
        world.backend.examples.add(example(20, 2, 1))
        plan = TuningPlan(
            preset="fast",
            overrides={"hard_examples": 0.1, "hard_examples_set": "sevens"},
            space=(parse_space("lr=0.1,0.2"),),
            max_jobs=1,
            name="search",
        )
        job = world.backend.searching.tune(plan, actor=ADA)
        assert job.request.hyperparameters["hard_examples_set"] == kept.sha256
        file = world.home.job("search").input_data / "hard_examples" / labelled_drawings.FILE_NAME
        assert file.read_bytes() == world.backend.example_sets.content(kept.sha256)


def picture(digit: int, label: int, minutes: int = 0) -> HardExample:
    """A digit that the good model reads right, under the label somebody gave it."""
    return replace(example(digit, label, minutes), pixels=canaries()[digit].tobytes())


def compared(world: World) -> Sequence[GateResult]:
    """What prod's gates say of a model that says 2 to everything, while the good one serves there."""
    backend = world.backend
    for job, onnx in (("job-1", None), ("job-2", constant_model(2))):
        world.add_job(job, onnx=onnx)
        version = backend.registration.register_job(job, actor=ADA)
        backend.evaluating.evaluate(version.version, actor=ADA, say=lambda _: None)
    first = backend.registry.get(1)
    target = backend.promotion.plan(Stage.PROD, 1).target
    backend.serving.deploy(Stage.PROD, target, backend.registry.fetch_archive(first), lambda *_: None)
    return backend.gates.evaluate(backend.promotion.plan(Stage.PROD, 2))


class TestTheGate:
    def test_it_asks_about_the_set_that_it_names(self, tmp_path: Path) -> None:
        """By the sevens the candidate is worse; by the drawings of now, one of which is called a 2, as good."""
        world = world_with(tmp_path, ON_SEVENS, ON_THOSE_OF_NOW)
        world.backend.examples.add(picture(7, 7))
        kept = world.backend.labelling.keep("sevens", actor=ADA)
        world.backend.examples.add(picture(3, 2, 1))
        on_sevens, of_now = compared(world)
        assert (on_sevens.status, of_now.status) == (GateStatus.FAILED, GateStatus.PASSED)
        assert f"It reads 0 of 1 corrected drawings (set sevens, {kept.sha256[:12]}) right, v1 1" in on_sevens.reason
        assert "It reads 1 of 2 corrected drawings (set of now, " in of_now.reason
        tried = world.backend.evaluations.evaluated(world.backend.registry.get(2).sha256)
        assert {(one.n, one.data_name) for one in tried if one.kind is DataKind.HARD_EXAMPLES} == {
            (1, "sevens"),
            (2, "hard-examples"),
        }

    def test_a_set_that_is_not_there_is_missing_evidence_and_stops_no_evaluation(self, tmp_path: Path) -> None:
        (result,) = compared(world_with(tmp_path, ON_SEVENS))
        assert result.status is GateStatus.MISSING_EVIDENCE
        assert result.reason == "The gate names a set that is not there. There is no set of hard examples 'sevens'."

    def test_an_evaluation_can_be_asked_for_another_set(self, world: World) -> None:
        kept = world.backend.labelling.keep("sevens", actor=ADA)
        world.backend.examples.add(example(20, 2, 1))
        world.add_job("job-1", onnx=constant_model(7))
        world.backend.registration.register_job("job-1", actor=ADA)
        world.backend.evaluating.evaluate(1, actor=ADA, say=lambda _: None, hard=["sevens"])
        said = world.backend.evaluations.predictions(
            world.backend.registry.get(1).sha256, DataKind.HARD_EXAMPLES, kept.sha256
        )
        assert said is not None
        assert (said.right, said.n) == (1, 1)
