"""Names, tags, comments, reasons and other programs' words come from anywhere: no page reads them as Markdown.

Every text that a page sends to the browser is looked at, but for those that Streamlit shows as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from backend.domain.audit import AuditEvent
from backend.domain.drift import DRIFTED, GUARD
from backend.domain.gates import GateResult, GateStatus, Override
from backend.domain.identity import Role
from backend.domain.origin import Origin
from backend.domain.promotion import Deployment, Outcome
from backend.domain.registry import Approval
from backend.domain.serving import ServedModel, Stage
from backend.domain.tracking import MediaItem, RunState, SourceStatus
from backend.errors import PlatformError
from tests.fakes.backend import NOON, Somebody, World, now
from tests.fakes.predictions import add_versions, measured, says
from tests.fakes.serving import FakeServing
from tests.ui.conftest import open_page, use
from tests.ui.test_runs_views import PIXEL

EVIL: Final = "![i](http://evil.test/i.png) [c](javascript:alert(1)) $x^2$ :red[r] `d` **b** <b>t</b>"
PIECES: Final = ("![i](", "[c](javascript", "$x^2$", ":red[r]", "`d`", "**b**", "<b>t")
RUN: Final = "digit_classification/evil"

AS_THEY_ARE: Final = {
    "Text.body",
    "Code.code_text",
    "TextInput.default",
    "TextInput.value",
    "TextInput.placeholder",
    "Selectbox.options",
    "Selectbox.raw_value",
    "MultiSelect.options",
    "MultiSelect.default",
    "MultiSelect.raw_values",
    "PageLink.query_string",
    # Our own components; what they do with their data is theirs, and they make text nodes of it.
    "BidiComponent.json",
}
"""Fields that Streamlit's own page shows as plain text, or does not show."""


def told(message: Message) -> Iterator[tuple[str, str]]:
    """Every text in the message, with the name of its field."""
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        for one in values.values() if isinstance(values, dict) else values:
            if isinstance(one, Message):
                yield from told(one)
            elif isinstance(one, str) and field.name == "columns":  # of a table, whose cells are drawn on a canvas
                yield from (("Dataframe.help", help) for help in _helps(one))
            elif isinstance(one, str):
                yield f"{message.DESCRIPTOR.name}.{field.name}", one


def _helps(columns: str) -> list[str]:
    """What the headings of a table say on hover."""
    return [str(column.get("help", "")) for column in json.loads(columns).values()]


def read_as_markdown(app: AppTest) -> set[str]:
    """What of the page may be read as Markdown and holds a piece of `EVIL` as it is: field and text."""
    found = set()
    for node in app._tree:
        proto: Any = getattr(node, "proto", None)
        if not isinstance(proto, Message):
            continue
        for field, text in told(proto):
            shown = field not in AS_THEY_ARE and not field.endswith((".id", ".element_id", ".key", ".form_id"))
            if shown and any(piece in text for piece in PIECES):
                found.add(f"{field}: {text[:160]}")
    return found


@pytest.fixture
def world(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Whatever somebody outside can name is called `EVIL`; prod drifted, and its last deployment died midway."""
    world = replace(world, backend=replace(world.backend, identity=Somebody(name=EVIL, role=Role.APPROVER)))
    backend = world.backend
    add_versions(world, 3, tmp_path)
    for number in (1, 2, 3):
        says(world, number, range(10 * number))
        measured(world, number, latency_ms=0.1)
        backend.registration.decide(number, Approval.APPROVED, actor=backend.actor, comment=EVIL)
        backend.registration.comment(number, EVIL, actor=backend.actor)
    for stage in Stage:
        for number in (1, 2):
            done = backend.promotion.promote(stage, number, actor=backend.actor)
    bad = Deployment(
        id="prod-v3-evil",
        stage=Stage.PROD,
        version=3,
        sha256=backend.registry.get(3).sha256,
        previous=ServedModel(version=2, sha256=backend.registry.get(2).sha256),
        requested_by=EVIL,
        started_at=now(),
        ended_at=now(),
        outcome=Outcome.FAILED,
        steps=tuple(replace(step, detail=EVIL) for step in done.steps),
        error=EVIL,
        hint=EVIL,
        origin=Origin(commit=EVIL, run_url=EVIL),
        gates=(GateResult(name=EVIL, status=GateStatus.FAILED, reason=EVIL, observed=EVIL, threshold=EVIL, hint=EVIL),),
        override=Override(by=EVIL, reason=EVIL, gates=(EVIL,)),
        correlation="c0ffee",
    )
    backend.deployments.save(bad)
    backend.audit.append(
        AuditEvent(
            at=now(), actor=GUARD, action="drift", subject="stage prod", outcome=DRIFTED, after={"differences": EVIL}
        )
    )
    backend.audit.append(
        AuditEvent(
            at=now(), actor=EVIL, action=EVIL, subject=EVIL, outcome=EVIL, before={EVIL: EVIL}, after={EVIL: "new"},
            correlation="c0ffee",
        )
    )  # fmt: skip
    serving = backend.serving
    assert isinstance(serving, FakeServing)
    version = backend.registry.get(1)
    serving.load_past(
        Stage.PROD, ServedModel(version=1, sha256=version.sha256), backend.registry.fetch_archive(version)
    )
    for stage in Stage:
        serving._endpoints[stage] = replace(serving._endpoints[stage], detail=EVIL)
    item = MediaItem(metric=EVIL, step=1, path=f"media/{EVIL}", kind="table-file", caption=EVIL)
    picture = MediaItem(metric=EVIL, step=1, path="media/a.png", kind="image-file", caption=EVIL)
    world.runs.add_run(
        "evil",
        {EVIL: [0.1, 0.2], "loss": [1.0, 0.5]},
        name=EVIL,
        tags=(EVIL,),
        group=EVIL,
        job_type=EVIL,
        notes=EVIL,
        notice=EVIL,
        config={EVIL: EVIL, "lr": EVIL},
        system={EVIL: [1.0, 2.0]},
        console=[EVIL],
        media=[(item, b"x"), (picture, PIXEL)],
    )
    world.runs.add_run("other", {"loss": [1.0, 0.5]}, config={"lr": 1.0}, state=RunState.FAILED)
    monkeypatch.setattr(world.runs, "status", lambda: _trouble(world))
    use(world, monkeypatch)
    return world


def _trouble(world: World) -> SourceStatus:
    return SourceStatus(source=world.runs.source, as_of=NOON, stale=True, error=EVIL, hint=EVIL, detail=EVIL)


@pytest.mark.parametrize(
    ("page", "params"),
    [
        ("", {}),
        ("runs", {}),
        ("runs", {"runs_metrics": EVIL, "runs_columns": EVIL, "runs_name": "(", "runs_filter": f"`{EVIL}` <"}),
        ("runs", {"runs_filter": '"nothing" in tags'}),
        ("runs", {"runs_metric": EVIL, "runs_group": "group"}),
        *(("runs", {"runs_view": view}) for view in ("Configuration", "System", "Media", "Console")),
        ("runs", {"run": RUN}),
        ("compare", {"base": "1", "versions": "2,3"}),
        ("promote", {"stage": "prod", "version": "3", "history_at": "2030-01-01T00:00"}),
        ("promote", {"stage": "prod", "deployment": "prod-v3-evil"}),
        ("promote", {"stage": "prod", "deployment": EVIL}),
        ("evidence", {"deployment": "prod-v3-evil"}),
        ("evidence", {"deployment": EVIL}),
        ("audit", {}),
        ("audit", {"audit_text": EVIL}),
        ("endpoints", {"stage": "prod"}),
        ("draw", {}),
        ("jobs", {}),
    ],
)
def test_nothing_that_comes_from_outside_is_read_as_markdown(world: World, page: str, params: dict[str, str]) -> None:
    assert read_as_markdown(open_page(page, **params)) == set()


def test_nor_in_an_event_that_was_clicked(world: World) -> None:
    app = open_page("audit", audit_text="c0ffee")
    app.session_state["audit_table"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.run()
    assert any("javascript" in element.value for element in app.subheader), "it is told, letter by letter"
    assert read_as_markdown(app) == set()


def test_nor_in_dialogs_and_when_a_source_fails(world: World) -> None:
    for key in ("rollback_submit", "promote_submit", "drift_restore_prod"):
        app = open_page("promote", stage="prod", version="3")
        assert read_as_markdown(app.get_by_key(key).click().run()) == set(), key
    world.runs.failure = PlatformError(EVIL, hint=EVIL)
    for view in ("Charts", "System", "Media", "Console"):
        assert read_as_markdown(open_page("runs", runs_view=view)) == set(), view


def test_what_would_be_read_as_markdown_is_found() -> None:
    """Otherwise the tests above would say nothing."""

    def page(evil: str) -> None:
        import streamlit as st

        st.caption(evil)
        st.button("Go", help=evil)
        st.text(evil)

    found = read_as_markdown(AppTest.from_function(page, args=(EVIL,)).run())
    assert {text.partition(":")[0] for text in found} == {"Markdown.body", "Button.help"}
