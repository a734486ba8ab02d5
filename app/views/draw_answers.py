"""What the endpoints, and a candidate beside them, say about one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import streamlit as st

from app import queries, theme
from app.components.error_panel import error_panel
from app.components.live_region import live_region
from app.components.probability_bars import percent, probability_bars
from app.components.status_badge import status_badge
from app.context import backend
from app.views.stage_card import TITLES
from backend.domain.prediction import Prediction
from backend.domain.serving import Endpoint, EndpointStatus, Stage
from backend.errors import DigitsError
from backend.services.prediction import Pixels

CANDIDATE = "candidate"
"""The query parameter: a version that answers without serving."""
CHOICE = "draw_candidate"
SURE = 0.5
"""Below this the answer is told as unsure: no digit has half of the probability."""

Answers = dict[Stage, Prediction | DigitsError | None]


def choose_candidate() -> int | None:
    """The version to ask beside the stages; None for no one. In the address, so that other pages lead here with one."""
    numbers = [version.version for version in queries.versions()]
    if CHOICE not in st.session_state:
        asked = st.query_params.get(CANDIDATE, "")
        st.session_state[CHOICE] = int(asked) if asked.isdecimal() and int(asked) in numbers else None
    return st.selectbox(
        "Also ask a version that serves no traffic",
        numbers,
        format_func=lambda number: f"v{number}",
        key=CHOICE,
        placeholder="none",
        index=None,
        on_change=_to_address,
    )


def _to_address() -> None:
    chosen = st.session_state[CHOICE]
    if chosen is None:
        st.query_params.pop(CANDIDATE, None)
    else:
        st.query_params[CANDIDATE] = str(chosen)


def answer_cards(
    stages: Sequence[Endpoint],
    candidate: int | None,
    seen: Pixels | None,
    truth: int | None,
    *,
    remark: str = "",
) -> Answers:
    """Ask, show each card as its answer comes, whether the answers agree, and the same in words for who cannot see it.

    `truth` is what the picture is, where that is known; `remark` is said to who cannot see the page.
    Returns what each stage said; None while there is no picture.
    """
    columns = st.columns(len(stages) + (candidate is not None), gap="medium")
    places = {endpoint.stage: (column, endpoint) for column, endpoint in zip(columns, stages, strict=False)}
    answers: Answers = dict.fromkeys(places)
    came: Iterable[tuple[Stage, Prediction | DigitsError | None]] = answers.items()
    if seen is not None:
        came = backend().prediction.answers(list(places), seen)
    for stage, answer in came:
        answers[stage] = answer
        column, endpoint = places[stage]
        with column:
            _stage_card(endpoint, answer, truth)
    said: list[tuple[str, Prediction]] = [
        (TITLES[stage], answer) for stage, answer in answers.items() if isinstance(answer, Prediction)
    ]
    if candidate is not None:
        with columns[-1]:
            told = _candidate_card(candidate, seen, truth)
        if isinstance(told, Prediction):
            said.append((f"v{candidate}", told))
    _agreement(said, candidate, truth, remark)
    return answers


def _said(ask: Callable[[], Prediction]) -> Prediction | DigitsError:
    try:
        return ask()
    except DigitsError as error:
        return error


def _stage_card(endpoint: Endpoint, answer: Prediction | DigitsError | None, truth: int | None) -> None:
    stage = endpoint.stage
    with theme.card(f"answer_{stage.value}"), st.container(key=f"draw_result_{stage.value}"):
        with _title(TITLES[stage]):
            if isinstance(answer, Prediction):  # what answered, not what was served when the page was opened
                _version_badge(answer.version)
            elif endpoint.status is EndpointStatus.IN_SERVICE and endpoint.current is not None:
                _version_badge(endpoint.current.version)
            else:
                status_badge(endpoint.status)
        about = []
        if isinstance(answer, Prediction) and endpoint.current and endpoint.current.version == answer.version:
            about.append(f"archive `{endpoint.current.sha256[:12]}`")
        if endpoint.external:
            about.append("external server")
        if about:
            st.caption(" · ".join(about), help=endpoint.external or None)
        _figures(answer, TITLES[stage], stage.value, truth)


def _candidate_card(number: int, seen: Pixels | None, truth: int | None) -> Prediction | DigitsError | None:
    service = backend().prediction
    answer = None if seen is None else _said(lambda: service.try_candidate(number, seen))
    with theme.card("answer_candidate"), st.container(key="draw_result_candidate"):
        with _title("Candidate"):
            _version_badge(number)
        st.caption("serves no traffic", help="Its archive runs on this machine, in ONNX Runtime.")
        _figures(answer, f"v{number}", "candidate", truth)
    return answer


def _title(text: str) -> st.delta_generator.DeltaGenerator:
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    row.subheader(text, anchor=False, width="content")
    return row


def _version_badge(number: int) -> None:
    st.badge(f"v{number}", color="blue", icon=":material/inventory_2:")


def _figures(answer: Prediction | DigitsError | None, who: str, key: str, truth: int | None) -> None:
    if isinstance(answer, DigitsError):
        panel = error_panel(
            key=f"answer_{key}", what=f"{who} did not answer.", why=answer.message, next_step=answer.hint
        )
        # The click alone makes the fragment run again, which asks again.
        panel.button("Retry", key=f"retry_{key}", icon=":material/refresh:")
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", gap="small"):
        st.metric("Digit", "–" if answer is None else str(answer.label), width="content")
        st.metric("Confidence", "–" if answer is None else percent(max(answer.probabilities)), width="content")
        st.metric("Latency", "–" if answer is None else f"{answer.latency_ms:.1f} ms", width="content")
    if answer is not None and truth is not None:
        right = answer.label == truth
        st.badge(
            "Right" if right else f"Wrong: it is a {truth}",
            icon=":material/check:" if right else ":material/close:",
            color="green" if right else "red",
        )
    probability_bars(None if answer is None else answer.probabilities, key=f"bars_{key}")


def _agreement(said: Sequence[tuple[str, Prediction]], candidate: int | None, truth: int | None, remark: str) -> None:
    """Whether all say the same; with fewer than two there is nothing to agree about."""
    told = "; ".join(
        f"{name}: {answer.label}, {percent(max(answer.probabilities))}{_verdict(answer.label, truth)}"
        for name, answer in said
    )
    labels = {answer.label for _, answer in said}
    who = "The stages" if candidate is None else "They"
    with st.container(horizontal=True, gap="small"):
        if len(said) > 1 and len(labels) == 1:
            st.badge(f"{who} agree", icon=":material/done_all:", color="green")
            told += ". They agree."
        elif len(said) > 1:
            st.badge(f"{who} disagree", icon=":material/call_split:", color="orange")
            told += ". They disagree."
        if said and min(max(answer.probabilities) for _, answer in said) < SURE:
            st.badge("Unsure: no digit has half of the probability", icon=":material/help:", color="orange")
    live_region(f"{told} {remark}".strip(), key="draw_told")


def _verdict(label: int, truth: int | None) -> str:
    """For who listens: nothing where the truth is not known."""
    return "" if truth is None else ", right" if label == truth else f", wrong: it is a {truth}"
