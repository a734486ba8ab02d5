"""Each page, empty and full: what it says, what its buttons do, and that a failure is a panel and not a traceback."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.components.plain_text import escaped
from backend.domain.identity import Role
from backend.domain.jobs import JobStatus
from backend.domain.prediction import HardExample, Prediction
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import EndpointStatus, ServedModel, Stage
from backend.errors import StoreError
from backend.services.prediction import Pixels
from tests.fakes.backend import NOON, World, now
from tests.ui.conftest import open_page, texts, use

PAGES = ("", "launch", "jobs", "runs", "promote", "endpoints", "draw", "connections")
ONE = [{"width": 20, "points": [[140, 40], [140, 240]]}]


def registered(world: World, *, approved: bool = True) -> None:
    world.add_job("job-a")
    world.backend.registration.register_job("job-a", actor=world.backend.actor)
    if approved:
        world.backend.registration.decide(1, Approval.APPROVED, actor=world.backend.actor)


def serving(world: World) -> None:
    registered(world)
    world.backend.promotion.promote(Stage.STAGING, 1, actor=world.backend.actor)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_an_empty_home(world: World, page: str) -> None:
    open_page(page)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_a_full_home(world: World, page: str) -> None:
    serving(world)
    for status in JobStatus:
        if status is not JobStatus.IN_PROGRESS and status is not JobStatus.STOPPING:
            world.add_job(f"job-{status.value}", status)
    open_page(page)


@pytest.mark.parametrize("page", ["jobs", "promote", "overview"])
def test_a_broken_store_is_a_panel_with_a_reference(world: World, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise StoreError("The disk is full.", hint="Free some space.")

    monkeypatch.setattr(world.backend.training, "list_jobs", broken)
    monkeypatch.setattr(world.backend.registry, "list_versions", broken)
    said = texts(open_page("" if page == "overview" else page))
    assert "The disk is full." in said
    assert "Free some space." in said
    assert "Reference " in said


class TestOverview:
    def test_a_new_installation_says_where_to_begin(self, world: World) -> None:
        app = open_page()
        assert "From nothing to production in two minutes" in texts(app)
        assert not app.get_by_key("quickstart").disabled

    def test_what_needs_somebody_is_said_first(self, world: World) -> None:
        registered(world, approved=False)
        world.add_job("broken", JobStatus.FAILED, created=now())
        said = texts(open_page())
        assert "Version 1 waits for approval." in said
        assert "Job broken failed." in said

    def test_each_need_leads_to_the_very_thing_that_needs_somebody(self, world: World) -> None:
        serving(world)
        world.add_job("broken", JobStatus.FAILED, created=now())
        world.add_job("job-b", sharpness=2.0)
        world.backend.registration.register_job("job-b", actor=world.backend.actor)
        world.backend.registration.decide(2, Approval.APPROVED, actor=world.backend.actor)
        archive = world.backend.registry.fetch_archive(world.backend.registry.get(2))
        archive.chmod(0o600)
        archive.write_bytes(archive.read_bytes()[:-20])
        failed = world.backend.promotion.promote(Stage.PROD, 2, actor=world.backend.actor)
        world.add_job("job-c", sharpness=3.0)
        world.backend.registration.register_job("job-c", actor=world.backend.actor)
        world.backend.serving.suspend(Stage.STAGING)

        app = open_page()

        said = texts(app)
        assert "digit-classification-staging should serve v1 and is Failed." in said
        assert "The deployment of v2 to prod failed." in said
        assert "Job broken failed." in said
        assert "Version 3 waits for approval." in said
        links = {
            (link.proto.label, link.proto.page, link.proto.query_string)
            for link in app.get("page_link")
            if link.proto.label in ("Look at the endpoint", "Read why", "Decide")
        }
        assert links == {
            ("Look at the endpoint", "endpoints", "stage=staging"),
            ("Read why", "promote", f"version=2&stage=prod&deployment={failed.id}"),
            ("Read why", "jobs", "job=broken"),
            ("Decide", "promote", "version=3"),
        }

    def test_an_endpoint_that_serves_another_version_than_it_should_is_said(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        serving(world)
        endpoint = world.backend.serving.describe(Stage.STAGING)
        other = replace(
            endpoint, status=EndpointStatus.UPDATING, wanted=ServedModel(version=2, sha256="f" * 64), detail="Loading."
        )
        nothing = world.backend.serving.describe(Stage.PROD)
        monkeypatch.setattr(
            world.backend.serving, "describe", lambda stage: other if stage is Stage.STAGING else nothing
        )
        assert "digit-classification-staging should serve v2 and serves v1." in texts(open_page())

    def test_an_event_leads_to_what_it_was_done_to(self, world: World) -> None:
        serving(world)
        (deployment,) = world.backend.promotion.history(Stage.STAGING)
        links = {link.proto.label: (link.proto.page, link.proto.query_string) for link in open_page().get("page_link")}
        assert links[escaped("job job-a")] == ("jobs", "job=job-a")
        assert links[escaped("version 1")] == ("promote", "version=1")
        assert links[escaped("v1, stage staging")] == ("promote", f"version=1&stage=staging&deployment={deployment.id}")

    def test_nothing_is_asked_when_nothing_is_needed(self, world: World) -> None:
        serving(world)
        assert "Needs you now" not in texts(open_page())


class TestLaunch:
    def test_one_click_launches_what_the_form_says_and_opens_the_job(self, world: World) -> None:
        app = open_page("launch")
        app.get_by_key("launch_fast_epochs").set_value(3).run()
        app.get_by_key("launch_submit").click().run()
        (job,) = world.backend.training.list_jobs()
        assert job.request.hyperparameters["epochs"] == 3
        assert job.request.hyperparameters["model"] == "lean_d"
        assert job.name in texts(app)

    def test_a_preset_brings_its_own_values(self, world: World) -> None:
        app = open_page("launch")
        app.get_by_key("launch_preset").set_value("accurate").run()
        assert app.get_by_key("launch_accurate_epochs").value == 10

    def test_a_clone_begins_with_the_jobs_values(self, world: World) -> None:
        world.add_job("job-a")
        assert "Filled in from job job-a." in texts(open_page("launch", clone="job-a"))

    def test_labelled_drawings_are_counted_and_wanted_in_vain_without_any(self, world: World) -> None:
        app = open_page("launch")
        assert "There are none yet" in app.get_by_key("launch_fast_hard_examples").help
        app.get_by_key("launch_fast_hard_examples").set_value(0.1).run()
        app.get_by_key("launch_submit").click().run()
        assert "hard_examples is 0.1, and no drawing has been labelled yet." in texts(app)
        assert list(world.backend.training.list_jobs()) == []

    def test_a_clone_carries_the_share_of_labelled_drawings(self, world: World) -> None:
        kept = HardExample(
            id="e", label=7, predicted=1, version=1, stage=Stage.PROD, at=NOON, by="ada", pixels=bytes([9]) * 784
        )
        world.backend.examples.add(kept)
        values = {"hard_examples": 0.2}
        world.backend.launching.train(actor=world.backend.actor, preset="fast", overrides=values, name="job-a")

        app = open_page("launch", clone="job-a")
        field = app.get_by_key("launch_fast_job-a_hard_examples")
        assert (field.value, "There is 1 drawing now." in field.help) == (0.2, True)
        assert "--set hard_examples=0.2" in texts(app)
        app.get_by_key("launch_submit").click().run()
        newest, _ = world.backend.training.list_jobs()
        assert newest.request.hyperparameters["hard_examples"] == 0.2

    def test_a_viewer_is_told_why_not(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        use(world.acting_as(Role.VIEWER), monkeypatch)
        app = open_page("launch")
        assert app.get_by_key("launch_submit").disabled
        assert "to launch a training job, you need operator" in texts(app)

    def test_a_name_that_is_none_is_refused_with_the_rule(self, world: World) -> None:
        app = open_page("launch")
        app.get_by_key("launch_name").set_value("../../etc").run()
        app.get_by_key("launch_submit").click().run()
        assert "Job name '../../etc' is not valid" in texts(app)
        assert list(world.backend.training.list_jobs()) == []


class TestJobs:
    def test_an_empty_list_offers_the_first_action(self, world: World) -> None:
        assert "No jobs yet" in texts(open_page("jobs"))

    def test_no_match_offers_to_clear_the_filter(self, world: World) -> None:
        world.add_job("job-a")
        app = open_page("jobs")
        app.get_by_key("jobs_search").set_value("zebra").run()
        assert "No job matches" in texts(app)
        app.get_by_key("jobs_clear_filter").click().run()
        assert "No job matches" not in texts(app)

    def test_a_failed_job_says_why(self, world: World) -> None:
        world.add_job("job-a", JobStatus.FAILED)
        said = texts(open_page("jobs", job="job-a"))
        assert "This job failed." in said
        assert "The loss became NaN." in said

    def test_what_a_trainer_prints_is_not_read_as_markdown(self, world: World) -> None:
        world.add_job("job-a", JobStatus.FAILED)
        world.store.report("job-a", [], ["![x](http://example.org/x.png)"])
        app = open_page("jobs", job="job-a")
        assert "![x](http://example.org/x.png)" in [element.value for element in app.text]
        assert not any("example.org" in str(element.value) for element in app.markdown)

    def test_a_completed_job_is_registered_with_one_click(self, world: World) -> None:
        world.add_job("job-a")
        app = open_page("jobs", job="job-a")
        app.get_by_key("job_register").click().run()
        assert [version.source_job for version in world.backend.registry.list_versions()] == ["job-a"]

    def test_a_failed_job_is_resumed_with_one_click(self, world: World) -> None:
        world.add_job("job-a", JobStatus.FAILED)
        app = open_page("jobs", job="job-a")
        assert "python -m backend jobs resume job-a" in texts(app)
        app.get_by_key("job_resume").click().run()
        (job,) = [job for job in world.backend.training.list_jobs() if job.name != "job-a"]
        assert (job.name, job.request.resumed_from) == ("job-a-r2", "job-a")
        links = open_page("jobs", job="job-a-r2").get("page_link")
        assert "Resumed from job-a" in [link.proto.label for link in links]

    def test_an_unknown_job_is_said_to_be_none(self, world: World) -> None:
        assert "No such job" in texts(open_page("jobs", job="nobody"))


class TestPromote:
    def test_without_versions_it_leads_to_the_jobs(self, world: World) -> None:
        assert "No versions yet" in texts(open_page("promote"))

    def test_a_version_without_approval_cannot_be_promoted_and_says_so(self, world: World) -> None:
        registered(world, approved=False)
        app = open_page("promote", version="1")
        assert app.get_by_key("promote_submit").disabled
        assert "v1 cannot be promoted: it is waiting for approval. An approver has to decide." in texts(app)
        app.get_by_key("version_approve").click().run()
        assert world.backend.registry.get(1).approval is Approval.APPROVED
        assert not app.get_by_key("promote_submit").disabled

    def test_a_version_shows_what_its_file_is_and_how_fast(self, world: World) -> None:
        registered(world)
        shown = {metric.label: metric.value for metric in open_page("promote", version="1").metric}
        assert (shown["Precision"], shown["Latency"], shown["Throughput"]) == ("int8", "0.0512 ms", "28,400/s")

    def test_a_deployment_is_shown_at_its_own_address(self, world: World) -> None:
        serving(world)
        (deployment,) = world.backend.promotion.history(Stage.STAGING)
        assert "Version 1 serves on staging." in texts(open_page("promote", deployment=deployment.id))

    def test_the_stage_of_the_address_is_planned_for(self, world: World) -> None:
        registered(world)
        app = open_page("promote", version="1", stage="prod")
        assert app.get_by_key("promote_submit").label == "Promote v1 to prod"
        assert open_page("promote", version="1", stage="moon").get_by_key("promote_submit").label.endswith("staging")

    def test_an_address_cannot_reach_out_of_the_operations(self, world: World) -> None:
        registered(world)
        said = texts(open_page("promote", version="1", deployment="../jobs/job-a"))
        assert "'../jobs/job-a' is no operation" in said
        assert "log of job-a" not in said

    def test_while_the_stage_is_being_changed_nothing_else_can_be_started(self, world: World) -> None:
        serving(world)
        world.add_job("job-b", sharpness=2.0)
        world.backend.registration.register_job("job-b", actor=world.backend.actor)
        world.backend.registration.decide(2, Approval.APPROVED, actor=world.backend.actor)
        (first,) = world.backend.promotion.history(Stage.STAGING)
        later = first.started_at + timedelta(microseconds=1)
        under_way = replace(
            first, id="staging-v2-0a0a0a0a", version=2, outcome=Outcome.IN_PROGRESS, started_at=later, ended_at=None
        )
        world.backend.deployments.save(under_way)
        with world.backend.serving.hold(Stage.STAGING, "ada, deployment staging-v2-0a0a0a0a"):
            app = open_page("promote", version="2", stage="staging")
        assert app.get_by_key("promote_submit").disabled
        assert app.get_by_key("rollback_submit").disabled
        assert "ada is changing staging: deployment staging-v2-0a0a0a0a is under way." in texts(app)

    def test_one_that_is_starting_is_not_started_again(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        registered(world)
        app = open_page("promote", version="1", stage="staging", deployment="staging-v1-0b0b0b0b")
        assert not app.get_by_key("promote_submit").disabled
        with world.backend.operations.joined("staging-v1-0b0b0b0b"):
            app = open_page("promote", version="1", stage="staging", deployment="staging-v1-0b0b0b0b")
        assert app.get_by_key("promote_submit").disabled
        assert "Starting. You may leave this page." in texts(app)

    def test_one_that_has_ended_holds_nothing_up_while_its_process_leaves(self, world: World) -> None:
        serving(world)
        world.add_job("job-b", sharpness=2.0)
        world.backend.registration.register_job("job-b", actor=world.backend.actor)
        world.backend.registration.decide(2, Approval.APPROVED, actor=world.backend.actor)
        done = world.backend.promotion.promote(
            Stage.STAGING, 2, actor=world.backend.actor, deployment_id="staging-v2-0c0c0c0c"
        )
        with world.backend.operations.joined(done.id):
            app = open_page("promote", version="1", stage="staging", deployment=done.id)
        assert not app.get_by_key("promote_submit").disabled
        assert not app.get_by_key("rollback_submit").disabled

    def test_a_foreign_address_is_no_error(self, world: World) -> None:
        registered(world)
        said = texts(open_page("promote", version="99", deployment="nonsense"))
        assert "The address names a deployment that this installation does not have." in said


class TestDraw:
    def test_without_an_endpoint_it_leads_to_promote(self, world: World) -> None:
        assert "Nothing is deployed yet" in texts(open_page("draw"))

    def test_a_drawing_is_answered_and_its_label_corrected(self, world: World) -> None:
        serving(world)
        app = open_page("draw")
        app.session_state["strokes"] = ONE
        app.run()
        metrics = {metric.label: metric.value for metric in app.metric}
        assert metrics["Digit"] in "0123456789"
        assert metrics["Confidence"].endswith("%")
        assert metrics["Latency"].endswith("ms")
        label = next(pills for pills in app.pills if str(pills.key).startswith("draw_label_"))
        label.set_value(4).run()
        assert [example.label for example in world.backend.examples.list_examples()] == [4]

    def test_the_version_beside_an_answer_is_the_one_that_answered(self, world: World) -> None:
        serving(world)
        world.add_job("job-b")
        world.backend.registration.register_job("job-b", actor=world.backend.actor)
        world.backend.registration.decide(2, Approval.APPROVED, actor=world.backend.actor)
        app = open_page("draw")
        world.backend.promotion.promote(Stage.STAGING, 2, actor=world.backend.actor)
        app.session_state["strokes"] = ONE
        app.run()
        assert any("v2" in str(element.value) for element in app.markdown)
        assert not any("v1" in str(element.value) for element in app.markdown)

    def test_whether_both_stages_say_the_same_is_marked(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        serving(world)
        world.backend.promotion.promote(Stage.PROD, 1, actor=world.backend.actor)
        app = open_page("draw")
        app.session_state["strokes"] = ONE
        app.run()
        assert "The stages agree" in texts(app)
        predict = world.backend.prediction.predict

        def contrary(stage: Stage, seen: Pixels) -> Prediction:
            answer = predict(stage, seen)
            return replace(answer, label=(answer.label + 1) % 10) if stage is Stage.PROD else answer

        monkeypatch.setattr(world.backend.prediction, "predict", contrary)
        app.run()
        assert "The stages disagree" in texts(app)
        digits = [metric.value for metric in app.metric if metric.label == "Digit"]
        assert len(set(digits)) == 2

    def test_an_endpoint_that_is_down_is_said_in_its_card(self, world: World) -> None:
        serving(world)
        world.backend.serving.suspend(Stage.STAGING)
        app = open_page("draw")
        app.session_state["strokes"] = ONE
        app.run()
        assert "Staging did not answer." in texts(app)
