"""What a steady stream of requests saw of a deployment."""

from __future__ import annotations

import streamlit as st

from app.components.plain_table import plain_table
from backend.domain.probing import ProbeStream, Span


def probe_table(probe: ProbeStream, *, key: str) -> None:
    asked = f"{probe.requests:,} known digits at {probe.per_second:.0f} a second, answered by {probe.answered_by}"
    with st.container(key=f"probe_{key}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if probe.failed:
                st.badge(f"{probe.failed:,} failed requests", color="red", icon=":material/error:")
            else:
                st.badge("0 failed requests", color="green", icon=":material/verified_user:")
            st.caption(asked, width="content")
        plain_table(
            ("Probe stream", "Requests", "Failed", "p50", "p99"),
            [(f"{name.capitalize()} the switch", *_cells(span)) for name, span in probe.spans.items()],
            key=f"probe_{key}",
            alt="Probe stream: requests, failures and latency before, during and after the switch",
        )
        for kind, count in probe.failures.items():
            st.text(f"{count:,} × {kind}")


def _cells(span: Span) -> tuple[str, str, str, str]:
    return f"{span.requests:,}", f"{span.failed:,}", _milliseconds(span.p50_ms), _milliseconds(span.p99_ms)


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms"
