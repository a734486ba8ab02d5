"""The load test of an endpoint: an operation that is started here, followed and read."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from app import theme, upkeep_queries
from app.components.command_line import command_line
from app.components.error_panel import error_panel
from app.components.figures import Figure, figures
from app.context import backend
from app.endpoint_numbers import milliseconds
from app.errors import shown
from app.identity import click_key, refusal
from app.views.load_results import load_results
from app.views.operation_answer import operation_answer
from backend.domain.loadtest import MAX_SECONDS
from backend.domain.serving import Endpoint, EndpointStatus, Stage
from backend.errors import PlatformError
from backend.services.endpoints import LOADING_ROLE

REFRESH = "1s"
_PARAMETER = "loadtest"


def load_card(endpoint: Endpoint) -> None:
    stage = endpoint.stage
    with theme.card("loadtest", "Load test"):
        reach = backend().endpoints.reach
        st.caption(
            "Each connection sends its next request when the last one was answered."
            + (" Whoever else asks production meanwhile waits behind them." if stage is Stage.PROD else "")
        )
        if reach.remark:
            st.caption(reach.remark)
        concurrency = st.slider(
            "Connections", 1, reach.connections, min(8, reach.connections), key="loadtest_concurrency"
        )
        seconds = st.slider("Seconds", 1, MAX_SECONDS, 10, key="loadtest_seconds")
        followed = _followed(stage)
        running = bool(followed) and backend().operations.is_running(followed)
        reason = _refused(endpoint)
        if reason:
            st.markdown(f":orange[:material/lock:] {reason}")
        verb = ["loadtest", "--stage", stage.value, "--concurrency", str(concurrency), "--seconds", str(seconds)]
        if st.button(
            f"Load {stage.value} for {seconds} s",
            key="loadtest_submit",
            type="primary",
            icon=":material/speed:",
            disabled=running or bool(reason),
            help="A load test is running." if running else None,
        ):
            with shown("Start the load test"):
                operation = f"loadtest-{stage.value}-{click_key(*verb, followed)[:8]}"
                backend().operations.start(operation, [*verb, "--json"])
                st.query_params[_PARAMETER] = operation
                st.rerun()
        if followed:
            st.fragment(_live, run_every=REFRESH if running else None)(followed, running)
        load_results(stage)
        command_line(f"python -m backend {' '.join(verb)}")


def _followed(stage: Stage) -> str:
    """The load test of this stage that the address names; empty without one."""
    asked = st.query_params.get(_PARAMETER, "")
    return asked if re.fullmatch(rf"loadtest-{stage.value}-[0-9a-f]{{8}}", asked) else ""


def _refused(endpoint: Endpoint) -> str:
    if endpoint.status is not EndpointStatus.IN_SERVICE:
        return "It must be in service to be tested."
    return refusal(LOADING_ROLE, "run a load test")


def _live(operation: str, running_when_drawn: bool) -> None:
    with shown("Follow the load test"):
        try:
            document = operation_answer(operation)
        except PlatformError as error:
            error_panel(key="loadtest", what="The load test has no result.", why=error.message, next_step=error.hint)
            return
        if document is None:
            told = backend().operations.output(operation).strip().rpartition("\n")[2]
            st.progress(_done(told))
            st.text(f"{told or 'Starting'}. You may leave this page.")
            return
        if running_when_drawn:
            upkeep_queries.load_tests.clear()
            st.rerun(scope="app")
        _result(document)


def _done(told: str) -> float:
    """How much of the test is over, 0 to 1, by what it said last."""
    said = re.match(r"(\d+) of (\d+) s:", told)
    return min(1.0, int(said[1]) / int(said[2])) if said else 0.0


def _result(document: dict[str, Any]) -> None:
    entries = (
        Figure("Requests/s", f"{document['per_second']:,.0f}"),
        Figure("p50", milliseconds(document["p50_ms"])),
        Figure("p99", milliseconds(document["p99_ms"])),
        Figure("Failed", f"{document['failed']:,}"),
    )
    with st.container(key="loadtest_result"):
        figures(entries, key="loadtest")
    versions = " and ".join(f"v{version}" for version in document["versions"]) or "No version"
    st.caption(
        f"{versions} answered {document['requests'] - document['failed']:,} of {document['requests']:,} requests over "
        f"{document['concurrency']} connections in {document['seconds']} s, measured at the client."
    )
    for kind, count in document["failures"].items():
        st.text(f"{count:,} × {kind}")
