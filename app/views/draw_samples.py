"""Test images to try, by digit and by how the versions that serve fared on them."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app import queries, theme
from app.components.command_line import command_line
from app.components.digit_picker import Choice, digit_picker
from app.components.probability_bars import percent
from app.components.turning import first_shown
from app.context import backend
from app.errors import shown
from app.reads import shared
from app.state import Key
from app.views.draw_kept import PARAMETER, leave_kept_picture
from backend.domain.samples import Difficulty, Samples
from backend.domain.serving import Stage

DIGIT, DIFFICULTY = "sample_digit", "sample_difficulty"
"""The query parameters, which are the widgets' keys too."""
PAGE: Final = 20
"""Images shown at once."""
_WORDS: Final = {
    Difficulty.EASY: "Easy",
    Difficulty.HARD: "Hard",
    Difficulty.WRONG: "Wrong",
}


@st.fragment
def samples_card() -> None:
    with theme.card("samples", "Samples of the test set"), shown("Show the samples"):
        samples = _samples(_known())
        digit, difficulty = _filter(samples)
        _explained(samples)
        places = samples.places(digit, difficulty)
        if not places:
            st.caption("There are none of these: choose another digit or difficulty.")
            return
        first = first_shown(
            len(places),
            (samples.data.sha256, digit, difficulty),
            per_page=PAGE,
            kept=Key.SAMPLES_PAGE,
            key="samples",
            words=("Earlier", "Later"),
        )
        places = places[first : first + PAGE]
        prefix = f"{samples.data.sha256}-"
        asked = st.query_params.get(PARAMETER, "")
        chosen = asked.removeprefix(prefix) if asked.startswith(prefix) else ""
        picked = digit_picker(
            [_choice(samples, place) for place in places],
            chosen=int(chosen) if chosen.isdecimal() else None,
            shows="card_canvas",
            key="draw_sample_picker",
        )
        command_line(_command(digit, difficulty))
        if picked is not None:
            leave_kept_picture()
            st.query_params[PARAMETER] = f"{prefix}{picked}"
            st.rerun()  # the whole page: the picture is asked about above


def _known() -> tuple[object, ...]:
    """All that the samples depend on: what serves, and when which version was run; no file is opened for it."""
    served = [queries.endpoint(stage).current for stage in Stage]
    runs = ((one.version, one.evaluation.measured_at if one.evaluation else None) for one in queries.versions())
    return (*served, *runs)


# A resource, because nobody changes it: a copy of 10,000 images at every rerun would cost more than reading them.
@shared(ttl=3600, max_entries=4, show_spinner="Looking at the test set")
def _samples(stamp: tuple[object, ...]) -> Samples:
    """`stamp` is all that they depend on: with another they are others."""
    return backend().sampling.samples()


def _filter(samples: Samples) -> tuple[int | None, Difficulty | None]:
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        digit = st.segmented_control(
            "Digit", range(10), key=DIGIT, bind="query-params", help="Every digit when none is chosen."
        )
        if not samples.judges:
            return digit, None
        words = {_WORDS[one]: one for one in Difficulty}  # the address has the word that is shown
        word = st.segmented_control("Difficulty", list(words), key=DIFFICULTY, bind="query-params")
        counts = ", ".join(f"{len(samples.places(digit, one)):,} {one.value}" for one in Difficulty)
        st.caption(f"{counts}.", width="content")
    return digit, words[word] if word else None


def _explained(samples: Samples) -> None:
    data = samples.data
    if not samples.judges:
        st.caption(
            f"No version was run over a test set yet, so nobody knows which images are hard: these are the {len(data)} "
            f"{data.name} that gates ask. `python -m backend evaluate VERSION` brings the test set here."
        )
        return
    who = " and ".join(f"v{number}" for number in samples.judges)
    wrong, they = (
        ("one at least read them so", "they were") if len(samples.judges) > 1 else ("it read them so", "it was")
    )
    st.caption(
        f"{len(data):,} images of {data.name}, as {who} read them. Wrong: {wrong}. Hard: right, but in the tenth of "
        f"each digit's images of which {they} least sure. Easy: the rest."
    )


def _choice(samples: Samples, place: int) -> Choice:
    label = samples.data.labels[place]
    if not samples.judges:
        return Choice(place=place, pixels=samples.data.pixels(place), text=str(label), alt=f"A {label}, image {place}")
    difficulty, sure = samples.difficulties[place], percent(samples.sure[place])
    read = "read wrong" if difficulty is Difficulty.WRONG else difficulty.value
    return Choice(
        place=place,
        pixels=samples.data.pixels(place),
        text=str(label),
        note=sure,
        alt=f"A {label}, image {place}, {read}: the least that a version gave it is {sure}",
        difficulty=difficulty.value,
    )


def _command(digit: int | None, difficulty: Difficulty | None) -> str:
    words = ["python -m backend samples --ask"]
    words += [f"--digit {digit}"] if digit is not None else []
    words += [f"--difficulty {difficulty.value}"] if difficulty is not None else []
    return " ".join(words)
