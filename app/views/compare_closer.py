"""One version against the base, mistake by mistake: what it takes for what, and the very images."""

from __future__ import annotations

import math
from typing import Final

import streamlit as st

from app import navigation, theme
from app.comparison_figures import confusion_difference
from app.comparison_queries import images
from app.components.confusion_matrices import confusion_change, confusion_matrix
from app.components.digit_image import digit_image
from app.components.probability_bars import percent
from app.errors import shown
from app.state import Key
from app.views.draw_kept import PARAMETER as PICTURE
from backend.domain.comparison import Comparison, Contender
from backend.domain.predictions import LabelledImages, Predictions

PAGE: Final = 24
"""Images shown at once."""


def choose_focus(found: Comparison) -> Contender | None:
    """The version that is looked at closely, kept in the address; None when none was run on the data."""
    compared = [entry for entry in found.others if entry.verdict is not None]
    if not compared:
        return None
    names = [entry.name for entry in compared]
    asked = st.query_params.get("focus", "")
    if len(compared) == 1:
        return compared[0]
    name = st.selectbox(
        f"A closer look against {found.base.name} at",
        names,
        index=names.index(asked) if asked in names else 0,
        key="compare_focus",
        width=260,
    )
    st.query_params["focus"] = str(name)
    return compared[names.index(str(name))]


def confusion_cards(found: Comparison, focus: Contender) -> None:
    base = found.base
    if base.predictions is None or focus.predictions is None:
        return
    before, after = base.predictions.confusion, focus.predictions.confusion
    with theme.card("confusion", f"What {base.name} and {focus.name} take for what"):
        left, middle, right = st.columns(3, gap="medium")
        with left:
            st.markdown(f"**{base.name}**")
            confusion_matrix(before, name=base.name, key="confusion_base")
        with middle:
            st.markdown(f"**{focus.name}**")
            confusion_matrix(after, name=focus.name, key="confusion_focus")
        with right:
            st.markdown(f"**{focus.name} minus {base.name}**")
            confusion_change(
                confusion_difference(after, before), candidate=focus.name, base=base.name, key="confusion_difference"
            )
        st.caption("Counts of images. In the difference, pink is worse (a mistake more, a hit fewer), teal is better.")


@st.fragment
def gallery_card(found: Comparison, focus: Contender) -> None:
    """The images that one of the two reads right and the other does not, a page at a time."""
    old, new, flips = found.base.predictions, focus.predictions, focus.flips
    if old is None or new is None or flips is None:
        return
    with theme.card("gallery"), shown("Show the images"):
        words = {
            f"Fixed ({len(flips.fixed)})": flips.fixed,
            f"Broken ({len(flips.broken)})": flips.broken,
        }
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader(f"Images that tell {focus.name} and {found.base.name} apart", anchor=False, width="content")
            with st.container(horizontal=True, vertical_alignment="center", width="content"):
                word = st.segmented_control(
                    "Which",
                    list(words),
                    default=next((word for word, places in words.items() if places), next(iter(words))),
                    required=True,
                    key=f"gallery_which_{found.base.name}_{focus.name}_{found.kind.value}",
                    label_visibility="collapsed",
                )
                places = words[str(word)]
                digits = sorted({old.labels[place] for place in places})
                digit = st.selectbox(
                    "Digit",
                    digits,
                    index=None,
                    placeholder="every digit",
                    key="gallery_digit",
                    label_visibility="collapsed",
                    width=130,
                )
        if digit is not None:
            places = tuple(place for place in places if old.labels[place] == digit)
        if not places:
            st.caption("There are none." if digit is None else f"There are none of the digit {digit}.")
            return
        first = _page(len(places), (found.base.name, focus.name, word, digit))
        data = images(old.data_sha256)
        _images(data, places[first : first + PAGE], (found.base, old), (focus, new))


def _page(count: int, about: tuple[object, ...]) -> int:
    """The place of the first image to show; with other images it is the first page again."""
    pages = math.ceil(count / PAGE)
    state = st.session_state.get(Key.GALLERY_PAGE)
    page = min(state[1], pages - 1) if state is not None and state[0] == about else 0
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for label, key, icon, to in (
                ("Earlier", "gallery_earlier", ":material/chevron_left:", page - 1),
                ("Later", "gallery_later", ":material/chevron_right:", page + 1),
            ):
                st.button(label, key=key, icon=icon, disabled=not 0 <= to < pages, on_click=_turn_to, args=(about, to))
            st.caption(f"{page * PAGE + 1} to {min(count, (page + 1) * PAGE)} of {count:,}", width="content")
    return page * PAGE


def _turn_to(about: tuple[object, ...], page: int) -> None:
    st.session_state[Key.GALLERY_PAGE] = about, page


def _images(
    data: LabelledImages,
    places: tuple[int, ...],
    base: tuple[Contender, Predictions],
    focus: tuple[Contender, Predictions],
) -> None:
    with st.container(horizontal=True, gap="medium", key="compare_gallery"):
        for place in places:
            label = data.labels[place]
            with st.container(width=124, gap="xsmall", key=f"flip_{place}"):
                told = [_opinion(entry, said, place, label) for entry, said in (base, focus)]
                digit_image(data.pixels(place), alt=f"A {label}. {' '.join(words for words, _ in told)}", width=112)
                st.markdown(f"**{label}** :gray[· image {place}]")
                for _, line in told:
                    st.markdown(line)
                st.page_link(
                    navigation.DRAW.file,
                    label="Try a variant",
                    icon=navigation.DRAW.icon,
                    query_params={
                        PICTURE: f"{base[1].data_sha256}-{place}",
                        "candidate": str(focus[0].version.version),
                    },
                )


def _opinion(entry: Contender, said: Predictions, place: int, label: int) -> tuple[str, str]:
    """What a version says of the image, in words and as a line with a sign."""
    digit = said.predicted[place]
    sure = percent(max(said.of_image(place)))
    sign = ":green[:material/check:]" if digit == label else ":red[:material/close:]"
    return f"{entry.name} says {digit}, {sure}.", f"{sign} {entry.name}: **{digit}** {sure}"
