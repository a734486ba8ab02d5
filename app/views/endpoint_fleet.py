"""The instances behind an endpoint, and the alarms that take a bad version back; where the platform has them."""

from __future__ import annotations

import streamlit as st

from app import queries, theme
from app.components.command_line import command_line
from app.components.figures import Figure, figures
from app.context import backend
from app.errors import shown
from app.identity import actor, refusal
from backend.domain.capabilities import Feature
from backend.domain.scaling import MOST_INSTANCES, Autoscaling, Scale
from backend.domain.serving import Endpoint, EndpointStatus, Stage
from backend.errors import PlatformError

REFRESH = "5s"


def fleet_card(endpoint: Endpoint) -> None:
    with theme.card("fleet", "Instances"):
        if endpoint.external:
            st.caption("How many servers stand behind its address is up to whoever runs them.")
            return
        if lacking := backend().scales.unsupported.get(Feature.SCALE):
            st.caption(lacking)
            return
        if endpoint.status is not EndpointStatus.IN_SERVICE:
            st.caption("Instances can be changed while the endpoint is in service.")
            return
        st.fragment(_live, run_every=REFRESH)(endpoint.stage)


def _live(stage: Stage) -> None:
    with shown("Look at the instances"):
        try:
            scale = queries.scale(stage)
        except PlatformError as error:  # not answered yet, or asked too often: the next look tells
            st.caption(f"{error.message} {error.hint}".strip())
            return
        _figures(scale)
        reason = refusal(backend().promotion.needed_role(stage), f"scale {stage.value}")
        if reason:
            st.markdown(f":orange[:material/lock:] {reason}")
        by_hand, by_load, alarms = st.tabs(["By hand", "By load", "Alarms"], key="fleet_how")
        with by_hand:
            _by_hand(stage, scale, reason)
        with by_load:
            _by_load(stage, scale, reason)
        with alarms:
            _alarms(stage, reason)


def _figures(scale: Scale) -> None:
    rule = scale.autoscaling
    entries = (
        Figure("Serving", f"{scale.instances}", "Instances that answer now."),
        Figure("Asked for", f"{scale.desired}", "Starting one takes SageMaker some minutes."),
        Figure("By load", "off" if rule is None else f"{rule.minimum} to {rule.maximum}", "Application Auto Scaling."),
    )
    figures(entries, key="fleet")


def _by_hand(stage: Stage, scale: Scale, reason: str) -> None:
    if scale.autoscaling is not None:
        st.caption("Their number follows the load. Turn that off to set it by hand.")
        st.button(
            "Turn off",
            key="fleet_by_hand",
            icon=":material/pan_tool:",
            disabled=bool(reason),
            on_click=_off,
            args=(stage,),
        )
        return
    wanted = st.number_input("Instances", 1, MOST_INSTANCES, max(scale.desired, 1), key="fleet_instances")
    st.caption("Each costs its price an hour, and twice that during a deployment.")
    st.button(
        f"Scale {stage.value} to {wanted}",
        key="fleet_scale",
        icon=":material/tune:",
        disabled=bool(reason) or wanted == scale.desired,
        help=reason or None,
        on_click=_set,
        args=(stage, int(wanted)),
    )
    command_line(f"python -m backend endpoints scale --stage {stage.value} --instances {wanted}")


def _by_load(stage: Stage, scale: Scale, reason: str) -> None:
    now = scale.autoscaling or Autoscaling(minimum=1, maximum=max(2, scale.desired), per_minute=600)
    left, middle, right = st.columns(3)
    low = left.number_input("At least", 1, MOST_INSTANCES, now.minimum, key="fleet_minimum")
    high = middle.number_input("At most", 1, MOST_INSTANCES, now.maximum, key="fleet_maximum")
    rate = right.number_input("Requests/min each", 1, 1_000_000, max(now.per_minute, 1), key="fleet_per_minute")
    rule = Autoscaling(minimum=int(low), maximum=int(high), per_minute=int(rate))
    st.button(
        "Scale by load",
        key="fleet_by_load",
        icon=":material/trending_up:",
        disabled=bool(reason) or rule == scale.autoscaling,
        help=reason or None,
        on_click=_follow,
        args=(stage, rule),
    )
    options = f"--min {rule.minimum} --max {rule.maximum} --per-minute {rule.per_minute}"
    command_line(f"python -m backend endpoints scale --stage {stage.value} {options}")


def _alarms(stage: Stage, reason: str) -> None:
    st.caption(
        "With alarms on errors and latency, SageMaker takes a new version back by itself while traffic moves to it. "
        "Without any it goes back only when the version does not start."
    )
    st.button(
        "Set the alarms",
        key="fleet_alarms",
        icon=":material/notifications_active:",
        disabled=bool(reason),
        help=reason or None,
        on_click=_watch,
        args=(stage,),
    )
    command_line(f"python -m backend endpoints alarms --stage {stage.value}")


def _set(stage: Stage, instances: int) -> None:
    with shown(f"Scale {stage.value}"):
        backend().fleets.scale(stage, instances, actor=actor())
        st.toast(f"{stage.value} is scaled to {instances}.", icon=":material/tune:")
    queries.scale.clear()
    queries.endpoint.clear()


def _follow(stage: Stage, rule: Autoscaling) -> None:
    with shown(f"Scale {stage.value} by load"):
        backend().fleets.scale_automatically(stage, rule, actor=actor())
    queries.scale.clear()


def _off(stage: Stage) -> None:
    with shown(f"Scale {stage.value} by hand"):
        backend().fleets.scale_by_hand(stage, actor=actor())
    queries.scale.clear()


def _watch(stage: Stage) -> None:
    with shown(f"Set the alarms of {stage.value}"):
        names = backend().fleets.watch(stage, actor=actor())
        st.toast(f"Set: {' and '.join(names)}.", icon=":material/notifications_active:")
