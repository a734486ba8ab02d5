"""Load tests of the past, and the last one against the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from app import upkeep_queries
from app.components.plain_table import plain_table
from app.components.relative_time import relative
from app.endpoint_numbers import milliseconds
from backend.domain.loadtest import KeptTest
from backend.domain.serving import Stage

_COLUMNS = ("When", "Who", "Version", "Conns", "Requests/s", "p50", "p99", "Failed")


def load_results(stage: Stage) -> None:
    """Nothing where none has ended with a result."""
    tests = upkeep_queries.load_tests(stage)
    if not tests:
        return
    now = datetime.now(UTC)
    if told := against_the_last(tests, now):
        st.markdown(f":material/compare_arrows: {told}")
    with st.expander(f"Earlier tests ({len(tests)})"):
        plain_table(_COLUMNS, [_row(test, now) for test in tests], key="loadtests", alt="Load tests, newest first")


def against_the_last(tests: Sequence[KeptTest], now: datetime) -> str:
    """The newest of `tests` (newest first) against the one before it over as many connections; empty without one."""
    newest = tests[0]
    before = next((test for test in tests[1:] if test.plan.concurrency == newest.plan.concurrency), None)
    if before is None or not before.per_second:
        return ""
    change = newest.per_second / before.per_second - 1
    rate = (
        "as many requests/s"
        if abs(change) < 0.005
        else f"{abs(change):.0%} {'more' if change > 0 else 'fewer'} requests/s"
    )
    slower = ""
    if newest.p99_ms is not None and before.p99_ms is not None:
        slower = f", p99 {milliseconds(newest.p99_ms)} after {milliseconds(before.p99_ms)}"
    return (
        f"The last one against the one before over {newest.plan.concurrency} connections ({_versions(before)}, "
        f"{relative(before.at, now)}): {rate}{slower}."
    )


def _row(test: KeptTest, now: datetime) -> list[str]:
    return [
        relative(test.at, now),
        test.by,
        _versions(test),
        str(test.plan.concurrency),
        f"{test.per_second:,.0f}",
        milliseconds(test.p50_ms),
        milliseconds(test.p99_ms),
        f"{test.failed:,}",
    ]


def _versions(test: KeptTest) -> str:
    return " and ".join(f"v{version}" for version in test.versions) or "–"
