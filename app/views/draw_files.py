"""Many pictures at once: a table of what a stage says of each, and the same as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import queries, theme
from app.components.probability_bars import percent
from app.context import backend
from app.errors import shown
from app.state import Key
from app.views.stage_card import TITLES
from backend.domain.prediction import FileAnswer
from backend.domain.serving import Endpoint, Stage

TYPES = ["png", "jpg", "jpeg", "bmp", "gif", "webp"]


@st.fragment
def files_card(stages: Sequence[Endpoint]) -> None:
    with theme.card("files", "Many pictures"):
        choice, chosen = st.columns([1, 3], gap="medium", vertical_alignment="bottom")
        stage = choice.selectbox(
            "Ask", [endpoint.stage for endpoint in stages], format_func=TITLES.__getitem__, key="draw_files_stage"
        )
        files = chosen.file_uploader(
            "Pictures of one digit each", type=TYPES, accept_multiple_files=True, key="draw_files"
        )
        if not files or stage is None:
            st.caption(
                "Up to 1,000 pictures, 64 in a request. On the command line: `python -m backend predict --stage "
                "staging *.png --json`."
            )
            return
        with shown("Ask about the pictures"):
            _table(_answers(stage, files), stage)


def _answers(stage: Stage, files: Sequence[UploadedFile]) -> Sequence[FileAnswer]:
    """Asked once for the same files: a page that is drawn anew for another reason asks and counts nothing again."""
    about = (stage, queries.endpoint(stage).current, [file.file_id for file in files])
    known = st.session_state.get(Key.FILES_ANSWERED)
    if known is None or known[0] != about:
        answers = backend().prediction.predict_files(stage, [(file.name, file.getvalue()) for file in files])
        st.session_state[Key.FILES_ANSWERED] = known = (about, answers)
    return known[1]


def _table(answers: Sequence[FileAnswer], stage: Stage) -> None:
    right = [answer for answer in answers if answer.prediction is not None]
    st.caption(f"{len(right)} of {len(answers)} pictures answered by {TITLES[stage].lower()}.")
    st.dataframe(
        [
            {
                "file": answer.name,
                "digit": "–" if answer.prediction is None else str(answer.prediction.label),
                "confidence": "–" if answer.prediction is None else percent(max(answer.prediction.probabilities)),
                "version": "–" if answer.prediction is None else f"v{answer.prediction.version}",
                "note": answer.error or ("inverted: dark ink on bright" if answer.inverted else ""),
            }
            for answer in answers
        ],
        hide_index=True,
        key="draw_files_table",
    )
    st.download_button(
        "Download as CSV", as_csv(answers), "predictions.csv", "text/csv", icon=":material/download:", type="tertiary"
    )


def as_csv(answers: Sequence[FileAnswer]) -> str:
    """One line a file: its name, the digit, ten probabilities, the version, whether it was inverted, or why not.

    A name that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["file", "digit", *(f"p{digit}" for digit in range(10)), "version", "inverted", "error"])
    for answer in answers:
        name = f"'{answer.name}" if answer.name.startswith(("=", "+", "-", "@", "\t", "\r")) else answer.name
        said = answer.prediction
        values = ["", *[""] * 10, ""] if said is None else [said.label, *said.probabilities, said.version]
        table.writerow([name, *values, "yes" if answer.inverted else "", answer.error])
    return text.getvalue()
