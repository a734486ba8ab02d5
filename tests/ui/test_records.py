"""Audit, evidence and history: what they show, find, page through and hand out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from backend.domain.audit import AuditEvent
from backend.domain.drift import DRIFTED, GUARD
from backend.domain.promotion import Deployment, Outcome
from backend.domain.registry import Approval
from backend.domain.serving import Stage
from tests.fakes.backend import NOON, World, now
from tests.ui.conftest import open_page, texts


def promoted(world: World, *versions: int, stage: Stage = Stage.PROD) -> list[Deployment]:
    backend = world.backend
    for number in sorted(set(versions)):
        world.add_job(f"job-{number}", sharpness=number)
        backend.registration.register_job(f"job-{number}", actor=backend.actor)
        backend.registration.decide(number, Approval.APPROVED, actor=backend.actor, comment="good on the *sevens*")
    return [backend.promotion.promote(stage, number, actor=backend.actor) for number in versions]


def happened(world: World, count: int, **given: object) -> None:
    for number in range(count):
        said = {"actor": "ada", "action": "train", "subject": f"job job-{number}", "outcome": "done", **given}
        world.backend.audit.append(
            AuditEvent(at=NOON + timedelta(minutes=number), **said)  # type: ignore[arg-type]
        )


def shown(app: object) -> list[str]:
    """The subjects of the events in the table, in order."""
    (table,) = app.dataframe  # type: ignore[attr-defined]
    return list(table.value["To what"])


class TestAudit:
    def test_an_empty_one_says_what_will_be_there(self, world: World) -> None:
        assert "Nothing happened yet" in texts(open_page("audit"))

    def test_events_are_there_with_what_changed(self, world: World) -> None:
        (done,) = promoted(world, 1)
        app = open_page("audit")
        (table,) = app.dataframe
        assert shown(app) == ["stage prod", "version 1", "job job-1"]
        assert table.value["Before → after"][0].startswith("version – → 1; deployment – → prod-v1-")
        assert table.value["Correlation"][0] == done.correlation
        assert "3 events, newest first" in texts(app)

    @pytest.mark.parametrize(
        ("params", "subjects"),
        [
            ({"audit_what": "promote"}, ["stage prod"]),
            ({"audit_text": "SEVENS"}, ["version 1"]),
            ({"audit_outcome": "Done"}, ["version 1", "job job-1", "job job-0"]),
            ({"audit_who": "bob"}, ["job job-0"]),
            ({"audit_who": "nobody"}, ["stage prod", "version 1", "job job-1", "job job-0"]),
            ({"audit_period": "Last day", "audit_what": "train"}, None),
        ],
    )
    def test_the_address_is_the_filter(self, world: World, params: dict[str, str], subjects: list[str] | None) -> None:
        happened(world, 1, actor="bob")  # long ago
        promoted(world, 1)
        app = open_page("audit", **params)
        if subjects is None:
            assert "No event fits" in texts(app)
            app.get_by_key("audit_clear_filter").click().run()
            assert len(shown(app)) == 4
        else:
            assert shown(app) == subjects

    def test_how_effects_and_deployments_fail_is_one_word(self, world: World) -> None:
        happened(world, 1, outcome="failed")
        happened(world, 1, outcome="Failed", subject="stage prod")
        happened(world, 1, subject="job well")
        (options,) = [box.options for box in open_page("audit").multiselect if box.key == "audit_outcome"]
        assert options == ["Done", "Failed"]
        assert shown(open_page("audit", audit_outcome="Failed")) == ["stage prod", "job job-0"]

    def test_the_command_lists_the_same(self, world: World) -> None:
        promoted(world, 1)
        said = texts(open_page("audit", audit_what="promote", audit_text="prod v1"))
        assert "python -m backend audit list --doing promote --text 'prod v1'" in said

    def test_it_is_paged_through(self, world: World) -> None:
        happened(world, 205)
        app = open_page("audit")
        assert shown(app)[0] == "job job-204"
        assert len(shown(app)) == 100
        app = open_page("audit", audit_page="3")
        assert shown(app) == [f"job job-{number}" for number in (4, 3, 2, 1, 0)]
        app.get_by_key("audit_text").set_value("job-20").run()
        assert shown(app) == [f"job job-{number}" for number in (204, 203, 202, 201, 200, 20)]

    def test_a_picked_event_is_told_whole_and_leads_to_its_evidence(self, world: World) -> None:
        (done,) = promoted(world, 1)
        app = open_page("audit", audit_what="promote")
        app.session_state["audit_table"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
        app.run()
        assert "Promote stage prod" in [element.value for element in app.subheader]
        links = {link.label for link in app.get("page_link")}
        assert f"All of {done.correlation}" in links
        assert "Evidence" in links


class TestEvidence:
    def test_it_shows_every_section_as_it_is(self, world: World) -> None:
        _, done = promoted(world, 1, 2)
        app = open_page("evidence", deployment=done.id)
        titles = [element.value for element in app.subheader]
        assert titles[:3] == ["What was done", "Gates", "The models"]
        assert {"Probe stream", "Steps", "Audit"} <= set(titles)
        said = "\n".join(table.value.to_string() for table in app.table)
        assert r"good on the \*sevens\*" in said  # escaped: a comment is never read as Markdown
        assert done.correlation in said
        assert "0 of 2 requests failed" in texts(app)

    @pytest.mark.parametrize("params", [{}, {"deployment": "prod-v9-x"}, {"deployment": "<b>"}])
    def test_an_address_without_a_deployment_leads_on(self, world: World, params: dict[str, str]) -> None:
        assert "No such deployment" in texts(open_page("evidence", **params))

    def test_it_is_reached_from_the_deployment_and_not_from_the_sidebar(self, world: World) -> None:
        (done,) = promoted(world, 1)
        app = open_page("promote", deployment=done.id, stage="prod")
        assert "Evidence, to read, print or export" in {link.label for link in app.get("page_link")}
        assert "0 failed requests" in texts(app)


class TestHistory:
    def test_what_was_in_prod_at_a_moment(self, world: World) -> None:
        promoted(world, 1)
        app = open_page("promote", stage="prod", history_at="2026-11-23T12:00")
        assert "Production served nothing at 2026-11-23 12:00:00 UTC: nothing had been deployed." in texts(app)
        app = open_page("promote", stage="prod", history_at="2030-01-01T00:00")
        assert "Production served v1 at 2030-01-01 00:00:00 UTC: from" in texts(app)
        assert "python -m backend deployments at prod 2030-01-01T00:00" in texts(app)

    def test_what_answered_instead_is_told_with_it(self, world: World) -> None:
        """The guard saw another version answer: that v1 was deployed is then half of the truth."""
        promoted(world, 1)
        seen = AuditEvent(
            at=now(),
            actor=GUARD,
            action="drift",
            subject="stage prod",
            outcome=DRIFTED,
            after={"differences": "version: should be 1, is 2"},
        )
        world.backend.audit.append(seen)
        said = texts(open_page("promote", stage="prod", history_at="2030-01-01T00:00"))
        assert "Production served v1 at 2030-01-01 00:00:00 UTC" in said
        assert "But something else answered, from " in said
        assert "nobody has seen it in step since. version: should be 1, is 2" in said
        said = texts(open_page("promote", stage="staging", history_at="2030-01-01T00:00"))
        assert "something else answered" not in said

    def test_hundreds_of_deployments_are_paged_through(self, world: World) -> None:
        (done,) = promoted(world, 1)
        for number in range(120):
            at = NOON + timedelta(minutes=number)
            world.backend.deployments.save(
                replace(done, id=f"prod-v1-{number:08}", outcome=Outcome.FAILED, started_at=at, ended_at=at)
            )
        app = open_page("promote", stage="prod")
        assert "121 deployments" in texts(app)
        assert deployments(app)[:2] == [done.id, "prod-v1-00000119"]
        assert len(deployments(app)) == 50
        app.get_by_key("history_page_prod").set_value(3).run()
        assert deployments(app)[-1] == "prod-v1-00000000"
        assert len(deployments(app)) == 21

    def test_a_rollback_shows_the_difference_and_how_long_it_takes_before_it_is_confirmed(self, world: World) -> None:
        promoted(world, 1, 2)
        app = open_page("promote", stage="prod", version="2")
        app.get_by_key("rollback_submit").click().run()
        (difference,) = [table.value for table in app.table if len(table.value.columns) == 3]
        assert [str(name).strip() for name in difference.columns][2] == "v1"
        assert difference.iloc[:2, 0].tolist() == ["Accuracy", "Worst digit"]
        assert "It takes about " in texts(app)
        assert "the median of 2 deployments to prod" in texts(app)

    def test_the_time_to_restore_is_measured_and_told(self, world: World) -> None:
        promoted(world, 1, 2)
        back = world.backend.promotion.roll_back(Stage.PROD, actor=world.backend.actor)
        assert back.restored_in is not None
        app = open_page("promote", stage="prod", deployment=back.id)
        assert "It answered again " in "\n".join(element.value for element in app.success)
        rows = "\n".join(table.value.to_string() for table in open_page("evidence", deployment=back.id).table)
        assert "Time to restore" in rows
        assert "from its beginning until v1 answered" in rows
        rows = "\n".join(table.value.to_string() for table in open_page("evidence", deployment=done(world)).table)
        assert "Time to restore" not in rows, "a promotion restores nothing"


def deployments(app: AppTest) -> list[str]:
    """Those of the history's table, in order."""
    (table,) = [table.value for table in app.dataframe if "Deployment" in table.value.columns]
    return list(table["Deployment"])


def done(world: World) -> str:
    """The promotion of version 2."""
    return next(
        d.id for d in world.backend.promotion.history(Stage.PROD) if (d.version, d.kind.value) == (2, "promote")
    )
