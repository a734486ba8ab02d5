"""Promote: what the plan says, what the dialogs ask, and which command a click starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from backend.domain.gates import Gate, GateName
from backend.domain.identity import Role
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from backend.errors import InvalidInputError
from tests.fakes.backend import World, make_world
from tests.fakes.operations import RecordedOperations
from tests.fakes.serving import FakeServing
from tests.ui.conftest import _forget, open_page, texts, use

APPROVED = Gate(name=GateName.APPROVED)
GATES = {Stage.STAGING: (APPROVED,), Stage.PROD: (APPROVED, Gate(name=GateName.STAGING_FIRST))}
REASON = "The other one burns our customers' money"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Version 1 serves on both stages; version 2 is better, approved, and was on neither."""
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"), gates=GATES)
    backend = world.backend
    for number in (1, 2):
        world.add_job(f"job-{number}", sharpness=float(number))
        backend.registration.register_job(f"job-{number}", actor=backend.actor)
        backend.registration.decide(number, Approval.APPROVED, actor=backend.actor)
    evaluation = backend.registry.get(2).evaluation
    assert evaluation is not None
    backend.registry.record_evaluation(2, replace(evaluation, accuracy=0.9876))
    for stage in Stage:
        backend.promotion.promote(stage, 1, actor=backend.actor)
    yield world
    world.candidates.close()
    _forget()


@pytest.fixture
def operations(world: World, monkeypatch: pytest.MonkeyPatch) -> RecordedOperations:
    recorded = RecordedOperations()
    use(replace(world, backend=replace(world.backend, operations=recorded)), monkeypatch)
    return recorded


def difference(app: AppTest) -> list[dict[str, list[str]]]:
    """The tables that hold two versions against each other, column by column."""
    tables = [table.value for table in app.table]
    return [
        {str(name).strip(): list(table[name]) for name in table.columns}
        for table in tables
        if any(str(name).strip().endswith(" now") for name in table.columns)
    ]


def served(world: World, stage: Stage) -> str:
    current = world.backend.serving.describe(stage).current
    assert current is not None
    return current.sha256


def test_what_serves_stands_beside_what_would(world: World, operations: RecordedOperations) -> None:
    app = open_page("promote", version="2", stage="staging")
    (shown,) = difference(app)
    assert list(shown) == ["", "v1 now", "v2"]
    assert shown["v2"][0] == r"98\.76\%"
    assert shown[""][:3] == ["Accuracy", "Worst digit", "Drawings"]
    assert len(shown["v1 now"]) == len(shown["v2"]) == 6
    said = texts(app)
    assert "A rollback would go to v1" in said
    assert "Costs nothing: it runs on this machine" in said


def test_to_staging_one_click_starts_the_command(world: World, operations: RecordedOperations) -> None:
    app = open_page("promote", version="2", stage="staging")
    app.get_by_key("promote_submit").click().run()
    ((operation, words),) = operations.started
    expected = ["promote", "2", "--to", "staging", "--expected", served(world, Stage.STAGING)]
    assert words == [*expected, "--deployment", operation]
    assert operation.startswith("staging-v2-")
    assert app.query_params["deployment"] == operation


def test_to_prod_a_dialog_shows_the_difference_and_the_gates_first(
    world: World, operations: RecordedOperations
) -> None:
    world.backend.promotion.promote(Stage.STAGING, 2, actor=world.backend.actor)
    app = open_page("promote", version="2", stage="prod")
    assert app.get_by_key("promote_submit").label == "Promote v2 to prod"
    app.get_by_key("promote_submit").click().run()
    assert operations.started == []
    assert [title.proto.dialog.title for title in app.get("dialog")] == ["Promote v2 to prod?"]
    card, dialog = difference(app)
    assert dialog == card
    assert [text.value for text in app.text].count("Served on staging first") == 2  # on the page and in the dialog
    app.get_by_key("confirm_apply").click().run()
    ((operation, words),) = operations.started
    expected = ["promote", "2", "--to", "prod", "--expected", served(world, Stage.PROD)]
    assert words == [*expected, "--deployment", operation]


def test_a_gate_that_does_not_pass_is_overridden_with_a_reason_only(
    world: World, operations: RecordedOperations
) -> None:
    app = open_page("promote", version="2", stage="prod")
    assert "It has never served well on staging." in texts(app)
    assert app.get_by_key("promote_submit").label == "Override and promote v2"
    app.get_by_key("promote_submit").click().run()
    assert [title.proto.dialog.title for title in app.get("dialog")] == ["Override 1 of 2 gates and promote v2?"]
    assert app.get_by_key("confirm_apply").disabled
    for reason, enough in (("too short", False), (REASON, True)):
        app.get_by_key("confirm_reason").set_value(reason)
        app.get_by_key("promote_submit").click().run()  # opens the dialog anew: here it does not run by itself
        assert app.get_by_key("confirm_apply").disabled is not enough
    app.get_by_key("confirm_apply").click().run()
    ((_, words),) = operations.started
    assert f"--override={REASON}" in words


def test_who_may_not_is_told_why(world: World, operations: RecordedOperations, monkeypatch: pytest.MonkeyPatch) -> None:
    use(world.acting_as(Role.OPERATOR), monkeypatch)
    for stage, says in (("staging", ""), ("prod", "to promote to prod, you need approver")):
        button = open_page("promote", version="2", stage=stage).get_by_key("promote_submit")
        assert button.disabled is bool(says)
        assert says in button.help
    assert open_page("promote", version="2").get_by_key("version_approve").disabled


def test_a_rollback_asks_and_types_nothing(world: World, operations: RecordedOperations) -> None:
    world.backend.promotion.promote(Stage.STAGING, 2, actor=world.backend.actor)
    app = open_page("promote", version="2", stage="staging")
    app.get_by_key("rollback_submit").click().run()
    assert operations.started == []
    assert [title.proto.dialog.title for title in app.get("dialog")] == ["Roll back staging to v1?"]
    assert not [field for field in app.text_input if str(field.key).startswith("confirm_")]
    app.get_by_key("confirm_apply").click().run()
    ((operation, words),) = operations.started
    expected = ["rollback", "--stage", "staging", "--expected", served(world, Stage.STAGING)]
    assert words == [*expected, "--deployment", operation]


def test_the_registry_says_the_approval_of_each_version(world: World, operations: RecordedOperations) -> None:
    world.add_job("job-3", sharpness=3.0)
    world.backend.registration.register_job("job-3", actor=world.backend.actor)
    world.backend.registration.decide(1, Approval.REJECTED, actor=world.backend.actor, comment="old")
    app = open_page("promote", version="3")
    (table,) = [frame.value for frame in app.dataframe if frame.key == "promote_registry"]
    assert [list(word) for word in table["Approval"]] == [["Waiting for approval"], ["Approved"], ["Rejected"]]
    assert "v3 cannot be promoted: it is waiting for approval. An approver has to decide." in texts(app)
    world.backend.registration.decide(3, Approval.REJECTED, actor=world.backend.actor, comment="blurred")
    _forget()  # a dialog that decides forgets what it changed; here nobody clicked
    said = texts(open_page("promote", version="3"))
    assert "v3 cannot be promoted: it is rejected. An approver has to decide." in said
    assert "It was rejected by ada: blurred" in said


def test_a_click_on_a_version_of_the_registry_chooses_it(world: World, operations: RecordedOperations) -> None:
    app = open_page("promote", version="2", stage="staging")
    app.session_state["promote_registry"] = {"selection": {"rows": [], "columns": [], "cells": [(1, "Version")]}}
    app.run()
    assert app.query_params["version"] == "1"
    assert "Staging serves this version already." in texts(app)
    app.get_by_key("promote_version").set_value(2).run()  # the row that stays marked does not win over it
    assert app.query_params["version"] == "2"


def test_the_history_tells_each_deployment_and_opens_the_one_that_is_chosen(
    world: World, operations: RecordedOperations
) -> None:
    done = world.backend.promotion.promote(Stage.STAGING, 2, actor=world.backend.actor)
    app = open_page("promote", version="2", stage="staging")
    (table,) = [frame.value for frame in app.dataframe if frame.key == "promote_history"]
    rows = table.to_dict("records")
    assert [(row["Change"], list(row["Outcome"]), row["By"]) for row in rows] == [
        ("v1 → v2", ["Succeeded"], "ada"),
        ("nothing → v1", ["Succeeded"], "ada"),
    ]
    app.session_state["promote_history"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.run()
    assert app.query_params["deployment"] == done.id
    assert "Version 2 serves on staging." in texts(app)


def test_gates_that_cannot_be_read_stop_the_promotion_and_not_the_decision(
    world: World, operations: RecordedOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def malformed(*_: object, **__: object) -> None:
        raise InvalidInputError("'models/gates.yaml' has no gate 'aproved' (line 3).")

    monkeypatch.setattr(world.backend.gates, "evaluate", malformed)
    app = open_page("promote", version="2", stage="prod")
    assert "'models/gates.yaml' has no gate 'aproved' (line 3)." in texts(app)
    assert "promote_submit" not in [button.key for button in app.button]
    app.get_by_key("version_reject").click().run()
    assert world.backend.registry.get(2).approval is Approval.REJECTED
