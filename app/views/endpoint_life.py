"""Since when nobody asks a stage, what that has cost, and until when it is to serve."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from app import queries, theme, upkeep_queries
from app.components.command_line import command_line
from app.components.figures import Figure, figures
from app.components.relative_time import duration, exact_utc, relative
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from backend.domain.capabilities import Feature
from backend.domain.lifetimes import LIMITED, Lifetime
from backend.domain.serving import Stage
from backend.domain.traffic import Idle

REFRESH = "10s"
_HOURS = (1, 4, 8, 24)


def life_card(stage: Stage) -> None:
    with theme.card("life", "Idle and time to live"):
        st.fragment(_live, run_every=REFRESH)(stage)
        if stage is not LIMITED:
            st.caption("Production has no time to live: it serves until somebody deletes it.")
            return
        _limits(stage)


def _live(stage: Stage) -> None:
    with shown("Look at the time to live"):
        now = datetime.now(UTC)
        idle, lifetime = upkeep_queries.idle(stage), upkeep_queries.lifetime(stage)
        entries = [Figure("Idle for", _idle_words(idle, now), "Since a client was last answered, to a minute.")]
        if idle is not None and idle.hourly != 0:
            entries.append(Figure("Idling cost", _cost_words(idle, now), "Price times the time without a client."))
        if stage is LIMITED:
            entries.append(Figure("Taken down", _until_words(lifetime, now), "Extend it, or let it end."))
        figures(entries, key="life")
        if lifetime.until is not None:
            st.caption(
                f"At {exact_utc(lifetime.until)} it stops answering; versions and history stay, and promoting brings "
                "it back."
            )


def _idle_words(idle: Idle | None, now: datetime) -> str:
    return "–" if idle is None else duration(idle.length(now))


def _cost_words(idle: Idle, now: datetime) -> str:
    cost = idle.cost(now)
    return "price unknown" if cost is None else f"${cost:,.2f}"


def _until_words(lifetime: Lifetime, now: datetime) -> str:
    if lifetime.until is None:
        return "never"
    return "now" if lifetime.is_due(now) else relative(lifetime.until, now)


def _limits(stage: Stage) -> None:
    reason = refusal(backend().promotion.needed_role(stage), f"extend {stage.value}")
    if reason:
        st.markdown(f":orange[:material/lock:] {reason}")
    lifetime = upkeep_queries.lifetime(stage)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        hours = st.selectbox(
            "Hours", _HOURS, index=1, format_func=lambda hours: f"{hours} h", key="life_hours", width=110
        )
        st.button(
            f"Extend by {hours} h" if lifetime.until else f"Take down in {hours} h",
            key="life_extend",
            icon=":material/more_time:" if lifetime.until else ":material/timer:",
            disabled=bool(reason),
            help=reason or None,
            on_click=_extend,
            args=(stage, hours),
        )
        if lifetime.until is not None:
            st.button(
                "No limit",
                key="life_lift",
                icon=":material/timer_off:",
                disabled=bool(reason),
                help=reason or None,
                on_click=_lift,
                args=(stage,),
            )
    if by_others := backend().serving.unsupported.get(Feature.TAKE_DOWN):
        st.caption(by_others)
    command_line(f"python -m backend endpoints extend --stage {stage.value} --hours {hours}")


def _extend(stage: Stage, hours: int) -> None:
    with shown(f"Extend {stage.value}"):
        lifetime = backend().expiry.extend(stage, hours, actor=actor())
        until = exact_utc(lifetime.until) if lifetime.until else "it is deleted"
        st.toast(f"{stage.value} serves until {until}.", icon=":material/more_time:")
    _forget()


def _lift(stage: Stage) -> None:
    with shown(f"Lift the limit of {stage.value}"):
        backend().expiry.lift(stage, actor=actor())
    _forget()


def _forget() -> None:
    upkeep_queries.lifetime.clear()
    queries.endpoint.clear()
