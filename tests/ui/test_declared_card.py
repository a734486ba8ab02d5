"""The model configuration on the Promote page: in step or drifted, and the change that declares another version."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from backend.adapters.local.model_file import LocalModelFile
from backend.domain.identity import Role
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.services.auditing import Auditor
from backend.services.declaring import Declaring
from backend.settings import ROOT
from tests.fakes.backend import World, now
from tests.fakes.operations import RecordedOperations
from tests.ui.conftest import open_page, texts, use


class Nobody:
    """`PullRequests` that a page never reaches: it starts a command."""


def declared(
    world: World, monkeypatch: pytest.MonkeyPatch, *, token: bool, role: Role = Role.APPROVER
) -> RecordedOperations:
    """Versions 1 and 2; the file declares 1, prod serves 1, staging 2."""
    backend = world.backend
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=number)
        backend.registration.register_job(f"job-{number}", actor=backend.actor)
        backend.registration.decide(number, Approval.APPROVED, actor=backend.actor)
    for stage, number in ((Stage.PROD, 1), (Stage.STAGING, 2)):
        backend.promotion.promote(stage, number, actor=backend.actor)
    operations = RecordedOperations()
    path = world.home.root / "declared.yaml"
    path.write_text((ROOT / "models" / "digit_classification.yaml").read_text())
    declaring = Declaring(
        LocalModelFile(path, world.home.root),
        backend.registry,
        backend.serving,
        Nobody(),  # type: ignore[arg-type]
        Auditor(backend.audit, now),
        can_propose=token,
    )
    changed = replace(backend, operations=operations, declaring=declaring)
    use(replace(world, backend=changed).acting_as(role), monkeypatch)
    return operations


def test_it_says_what_is_in_step_and_offers_the_change_to_copy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(world, monkeypatch, token=False)
    said = texts(open_page("promote", version="2"))
    assert "Production serves what is declared" in said
    assert said.count(":green-badge[:material/check_circle: In step]") == 1
    assert said.count(":orange-badge[:material/difference: Drifted]") == 1
    assert "Staging is declared v1, serves v2" in said
    assert "-model_uri: model-version:1\n+model_uri: model-version:2\n+sha256: " in said
    button = open_page("promote", version="2").get_by_key("declared_propose")
    assert button.disabled
    assert "DIGITS_GITHUB_TOKEN" in button.help
    assert "It declares v1, the chosen version." in texts(open_page("promote", version="1"))


def test_a_drifted_prod_is_told_with_the_way_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(world, monkeypatch, token=True)
    world.backend.promotion.promote(Stage.PROD, 2, actor=world.backend.actor)
    said = texts(open_page("promote", version="1"))
    assert "Production is declared v1, serves v2" in said
    assert "To bring the file in step with production, choose v2 as the version." in said


def test_the_button_starts_the_command_and_tells_what_came_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = declared(world, monkeypatch, token=True)
    app = open_page("promote", version="2")
    app.get_by_key("declared_propose").click().run()
    ((_, words),) = operations.started
    assert words == ["declare", "2", "--propose", "--json"]
    assert app.get_by_key("declared_propose").disabled
    operations.running = False
    operations.said = json.dumps({"pull_request": 30, "url": "https://github.com/ada/digits/pull/30", "new": True})
    app.run()
    assert "Pull request 30 is open." in texts(app)


def test_a_viewer_proposes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(world, monkeypatch, token=True, role=Role.VIEWER)
    button = open_page("promote", version="2").get_by_key("declared_propose")
    assert button.disabled
    assert "you need operator" in button.help


def test_a_malformed_file_breaks_its_card_only(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    declared(world, monkeypatch, token=True)
    (world.home.root / "declared.yaml").write_text("endpoint_name: x\n")
    said = texts(open_page("promote", version="2"))
    assert "'declared.yaml', line 1" in said
    assert "Promote" in said


def test_a_prod_that_is_hosted_otherwise_says_how_and_what_brings_it_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared(world, monkeypatch, token=True)
    describe = world.backend.serving.describe
    hosted = {"instance_type": "ml.c6i.large", "instance_count": "1"}
    monkeypatch.setattr(world.backend.serving, "describe", lambda stage: replace(describe(stage), hosted=hosted))
    said = texts(open_page("promote", version="1"))
    assert (
        "Production serves the declared model, hosted otherwise: instance_type is ml.c6i.large, declared ml.m5.large"
        in said
    )
    assert "`python -m backend deploy --stage prod`" in said
    assert "choose v1 as the version" not in said


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ({"pull_request": 30, "url": "https://x/30", "new": False}, "Pull request 30 was open already."),
        ({"pull_request": 30, "url": "javascript:alert(1)", "new": True}, "Pull request 30 is open."),
        ({"error": {"message": "GitHub answered 403.", "hint": "Mind the token."}}, "GitHub answered 403."),
        (None, "The pull request was not opened."),
    ],
    ids=["open already", "no web address", "refused", "died"],
)
def test_whatever_came_of_the_pull_request_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, document: dict[str, object] | None, shown: str
) -> None:
    operations = declared(world, monkeypatch, token=True)
    app = open_page("promote", version="2")
    app.get_by_key("declared_propose").click().run()
    operations.running = False
    operations.said = "" if document is None else json.dumps(document)
    app.run()
    assert shown in texts(app)
    links = [link.proto.url for link in app.get("link_button")]
    assert links == (["https://x/30"] if document and document.get("url") == "https://x/30" else [])
    assert app.get_by_key("declared_propose").disabled is False


def test_after_a_refusal_another_click_tries_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = declared(world, monkeypatch, token=True)
    app = open_page("promote", version="2")
    app.get_by_key("declared_propose").click().run()
    operations.running = False
    operations.said = json.dumps({"error": {"message": "GitHub answered 403.", "hint": "Mind the token."}})
    app.run()
    app.get_by_key("declared_propose").click().run()
    assert len({operation for operation, _ in operations.started}) == 2
