"""Where keys and tokens never are: arguments of processes, database, log and records, error texts, the browser.

The button of the Promote page and the comment of a workflow, with real processes, against a stand-in of GitHub; the
doctor and the run of a command with a W&B key.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import context
from backend import bootstrap
from backend.assembly import Backend
from backend.domain.audit import AuditFilter
from backend.domain.registry import Approval
from backend.settings import ROOT, load_settings
from backend.wiring.environment import child_environment, operation_environment
from tests.contract import archives
from tests.contract.training_platforms import wait_until
from tests.fakes.github import REPOSITORY, TOKEN, GitHubStandIn, serving
from tests.fakes.started import Spy
from tests.ui.conftest import open_page, texts

FILE = "models/digit_classification.yaml"
KEY = "k1e2y3" * 7
"""A W&B key of a form that nothing recognises as one by its pattern alone."""
SECRETS = {"the token": TOKEN, "the key": KEY}


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A home with version 1 declared and version 2 to declare, and everything that its processes leave behind."""

    home: Path
    github: GitHubStandIn
    environment: Mapping[str, str]
    spy: Spy

    def connect(self) -> Backend:
        return bootstrap.connect(load_settings())

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "backend", *words, "--json"],
            cwd=ROOT,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def kept(self) -> dict[str, bytes]:
        """Every file of the home, the database's among them."""
        return {str(path): path.read_bytes() for path in self.home.rglob("*") if path.is_file()}


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    spy = Spy(tmp_path)
    with serving() as github:
        github.branches["main"][FILE] = (ROOT / FILE).read_text()
        given = {
            "DIGITS_HOME": str(tmp_path / "home"),
            "DIGITS_GITHUB_REPOSITORY": REPOSITORY,
            "DIGITS_GITHUB_TOKEN": TOKEN,
            "DIGITS_GITHUB_API_URL": github.url,
            "WANDB_API_KEY": KEY,
            "WANDB_BASE_URL": "http://127.0.0.1:9",
            "PYTHONPATH": os.pathsep.join((str(spy.folder), str(ROOT))),
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        made = Installation(home=tmp_path / "home", github=github, environment={**os.environ}, spy=spy)
        backend = made.connect()
        for number in (1, 2):
            path = archives.good_archive(tmp_path / f"{number}.tar.gz", sharpness=float(number))
            version = backend.registration.register_archive(path, actor=backend.actor)
            backend.registration.decide(version.version, Approval.APPROVED, actor=backend.actor)
        monkeypatch.setattr(context, "connect", lambda _, *, watched: backend)
        st.cache_resource.clear()
        st.cache_data.clear()
        yield made
        st.cache_resource.clear()
        st.cache_data.clear()


def proposed(installation: Installation) -> AppTest:
    """The button was clicked, and its process has ended."""
    backend: Backend = context.connect(load_settings(), watched=True)
    app = open_page("promote", version="2")
    app.get_by_key("declared_propose").click().run()
    wait_until(lambda: not backend.operations.running(), 60)
    return app.run()


def sent_to_the_browser(app: AppTest) -> bytes:
    """Every element of the page as it goes over the wire."""

    def protos(node: Any) -> Iterator[bytes]:
        if hasattr(node, "proto") and hasattr(node.proto, "SerializeToString"):
            yield node.proto.SerializeToString()
        for child in getattr(node, "children", {}).values():
            yield from protos(child)

    sent = b"".join(protos(app._tree))
    assert len(sent) > 1_000
    return sent


def require_none(installation: Installation, said: Mapping[str, str | bytes]) -> None:
    """Neither secret is in what was `said`, in what was kept, or in what any process was started with."""
    commands = installation.spy.started()
    assert any("-m" in words and "backend" in words for words in commands), "the spy heard of nothing"
    places: dict[str, str | bytes] = {**said, **installation.kept(), "arguments": repr(commands)}
    found = [
        f"{what} in {where}"
        for where, content in places.items()
        for what, secret in SECRETS.items()
        if secret in (content if isinstance(content, str) else content.decode("utf-8", "replace"))
    ]
    assert found == []


def test_the_button_opens_a_pull_request_and_tells_nobody_the_token(installation: Installation) -> None:
    app = proposed(installation)
    assert "Pull request 30 is open." in texts(app)
    assert {headers["Authorization"] for _, _, headers in installation.github.requests} == {f"Bearer {TOKEN}"}
    require_none(installation, {"the page": sent_to_the_browser(app)})


@pytest.mark.parametrize("status", [401, 403, 422, 500])
def test_a_refusal_that_repeats_the_token_is_told_without_it(installation: Installation, status: int) -> None:
    installation.github.answer_with = (status, {}, b'{"message": "Bad credentials: %s"}' % TOKEN.encode())
    app = proposed(installation)
    assert f"GitHub answered {status}" in texts(app)
    (event,) = installation.connect().audit.list_events(AuditFilter(actions=("propose",)))
    assert event.outcome != "done" and "***" in event.after["error"]
    require_none(installation, {"the page": sent_to_the_browser(app)})


def test_a_comment_is_written_and_refused_without_the_token(installation: Installation, tmp_path: Path) -> None:
    file = tmp_path / "evidence.md"
    file.write_text("<!-- digit-ops: staging -->\nwords")
    written = installation.command("comment", "--pull-request", "12", "--file", str(file))
    assert written.returncode == 0, written.stderr
    installation.github.answer_with = (403, {}, b'{"message": "not for %s"}' % TOKEN.encode())
    refused = installation.command("comment", "--pull-request", "12", "--file", str(file))
    assert refused.returncode in (4, 5), refused
    assert "***" in refused.stdout
    require_none(installation, {"output": written.stdout + written.stderr + refused.stdout + refused.stderr})


def test_what_fails_unexpectedly_is_logged_whole_and_without_the_token(installation: Installation) -> None:
    """The traceback of a defect, which goes to the log."""
    installation.github.answer_with = (200, {}, b'{"no_default_branch": "%s"}' % TOKEN.encode())
    failed = installation.command("declare", "2", "--propose")
    assert failed.returncode != 0
    require_none(installation, {"output": failed.stdout + failed.stderr})


def test_only_operations_are_given_the_token(installation: Installation) -> None:
    """Trainings, candidates and endpoint runners have no use for it."""
    settings = load_settings()
    assert TOKEN in os.environ.values()
    assert TOKEN not in child_environment(settings).values()
    assert operation_environment(settings) == {"DIGITS_GITHUB_TOKEN": TOKEN}


def test_the_pages_that_know_of_wandb_show_no_key(installation: Installation) -> None:
    for page in ("connections", "runs", "launch"):
        assert KEY.encode() not in sent_to_the_browser(open_page(page)), page
    listed = installation.command("runs", "list")
    assert listed.returncode == 0, listed.stderr
    require_none(installation, {"output": listed.stdout + listed.stderr})
