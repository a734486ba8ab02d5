"""Words for what comes from far away: how old it is, what it was billed for."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.domain.freshness import Freshness
from backend.domain.jobs import Billing


def freshness_line(freshness: Freshness) -> None:
    """Nothing while all is well; else since when nothing new has come, and why."""
    if freshness.is_stale:
        since = f"As of {freshness.as_of:%H:%M:%S} UTC" if freshness.as_of else "Nothing is known yet"
        with st.container(horizontal=True, wrap=False, gap="small", key="stale"):
            st.markdown(":orange[:material/history:]", width="content")
            st.text(f"{since}: {freshness.trouble}", width="stretch")


def cost_words(billings: Sequence[Billing]) -> str:
    """What they cost together; empty for none, "price unknown" when the price of one is."""
    costs = [billing.cost for billing in billings]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return "price unknown"
    return f"{sum(known):.4f} {billings[0].currency}" if known else ""


def billed_words(billing: Billing) -> str:
    saved = f", spot saved {billing.saved:.0%}" if billing.spot and billing.saved is not None else ""
    return f"{billing.billed_seconds} s of {billing.instances} x {billing.instance_type} billed{saved}."
