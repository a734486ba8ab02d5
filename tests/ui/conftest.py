"""AppTest on a backend of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import context
from tests.fakes.backend import World, make_world
from tests.fakes.serving import FakeServing

MAIN = str(Path(__file__).resolve().parents[2] / "app" / "main.py")
TIMEOUT = 60  # of a page on a machine where everything else runs too
UNEXPECTED = "An unexpected error"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = make_world(tmp_path / "home", FakeServing(tmp_path / "locks"))
    use(world, monkeypatch)
    yield world
    for lock in world.held:
        lock.release()
    world.candidates.close()
    _forget()


def use(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the app connect to this world."""
    monkeypatch.setattr(context, "connect", lambda _, *, watched: world.backend)
    _forget()


def _forget() -> None:
    """The backend itself is a cached resource."""
    st.cache_resource.clear()
    st.cache_data.clear()


def open_page(address: str = "", **params: str) -> AppTest:
    """The app at the page with this address, after its first run."""
    app = AppTest.from_file(MAIN, default_timeout=TIMEOUT)
    app.run()
    for name, value in params.items():
        app.query_params[name] = value
    if address:
        app.switch_page(f"../pages/{address}.py")
    app.run()
    assert not app.exception
    # A page catches what it did not expect and shows a panel: for a test that is a failure.
    assert UNEXPECTED not in texts(app)
    return app


def texts(app: AppTest) -> str:
    """Everything that the page says, for a look whether something was said."""
    kinds = ("title", "subheader", "markdown", "caption", "text", "info", "warning", "error", "success", "code")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))
