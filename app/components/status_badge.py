"""The one mapping from a status to icon, word and colour, for badges and for chips in tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

import streamlit as st
from streamlit.column_config import MultiselectColumn

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

Colour = Literal["gray", "blue", "green", "orange", "red", "violet"]


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a status is shown. `sign` stands for the icon where only text can be shown (tables)."""

    word: str
    icon: str
    sign: str
    colour: Colour


def look_of(status: Enum | str) -> Look:
    """Look of a job, step, deployment, endpoint or approval status (the enum or its word), or of a doctor's check.

    Raises ValueError for a word that no status has.
    """
    word = str(status.value) if isinstance(status, Enum) else status
    if word not in LOOKS:
        raise ValueError(f"Status '{word}' has no look: expected one of {', '.join(LOOKS)}.")
    return LOOKS[word]


def check_status(ok: bool) -> str:
    """The status word of a doctor's check."""
    return "Ok" if ok else "NotOk"


def event_status(outcome: str) -> str:
    """The status word of an audited effect's outcome; as it is where it is none of ours.

    An effect and a deployment may both fail, or be interrupted; people read these as the same.
    """
    return outcome.capitalize() if outcome in ("failed", "interrupted") else outcome


def status_badge(status: Enum | str, *, help: str | None = None) -> None:
    """Show a status as a badge; `help` is what it says on hover (ours, not data: it is read as Markdown)."""
    look = look_of(status)
    st.badge(look.word, icon=look.icon, color=look.colour, help=help)


def status_cell(status: Enum | str) -> list[str]:
    """A status as the cell of a table column made by `status_column`."""
    return [look_of(status).word]


def status_column(label: str = "Status", *, width: int = 176) -> ColumnConfig:
    """Column configuration that shows the cells of `status_cell` as coloured chips.

    `width` in pixels; the default fits "Waiting for approval", which the named widths cut.
    """
    by_word = {look.word: look for look in LOOKS.values()}
    return MultiselectColumn(
        label,
        width=width,
        options=list(by_word),
        color=[look.colour for look in by_word.values()],
        format_func=lambda word: f"{by_word[word].sign} {word}",
    )


def _look(word: str, icon: str, sign: str, colour: Colour) -> Look:
    return Look(word=word, icon=f":material/{icon}:", sign=sign, colour=colour)


LOOKS: Final[Mapping[str, Look]] = {
    # jobs, steps and running deployments
    "Pending": _look("Queued", "schedule", "\N{WHITE CIRCLE}", "gray"),
    "InProgress": _look("Running", "motion_photos_on", "\N{BLACK RIGHT-POINTING TRIANGLE}", "blue"),
    "Stopping": _look("Stopping", "hourglass_bottom", "\N{HORIZONTAL ELLIPSIS}", "orange"),
    "Completed": _look("Completed", "check_circle", "\N{CHECK MARK}", "green"),
    "Failed": _look("Failed", "error", "\N{MULTIPLICATION X}", "red"),
    "Stopped": _look("Stopped", "stop_circle", "\N{BLACK SQUARE}", "gray"),
    # a trial that a tuning job ended because others did better
    "StoppedEarly": _look("Stopped early", "content_cut", "\N{BLACK SCISSORS}", "violet"),
    # how a deployment ended
    "Succeeded": _look("Succeeded", "task_alt", "\N{CHECK MARK}", "green"),
    "Unchanged": _look("Unchanged", "equal", "=", "gray"),
    "RolledBack": _look("Rolled back", "undo", "\N{ANTICLOCKWISE OPEN CIRCLE ARROW}", "orange"),
    "Interrupted": _look("Interrupted", "power_off", "!", "red"),
    # endpoints
    "NotDeployed": _look("Not deployed", "radio_button_unchecked", "\N{WHITE CIRCLE}", "gray"),
    "Creating": _look("Creating", "add_circle", "+", "blue"),
    "Updating": _look("Updating", "sync", "\N{CLOCKWISE OPEN CIRCLE ARROW}", "blue"),
    "InService": _look("In service", "check_circle", "\N{CHECK MARK}", "green"),
    "Unknown": _look("Unknown (cannot reach)", "help", "?", "orange"),
    # runs, in W&B's words
    "running": _look("Running", "motion_photos_on", "\N{BLACK RIGHT-POINTING TRIANGLE}", "blue"),
    "finished": _look("Finished", "check_circle", "\N{CHECK MARK}", "green"),
    "failed": _look("Failed", "error", "\N{MULTIPLICATION X}", "red"),
    "crashed": _look("Crashed", "flash_off", "!", "orange"),
    "NotSynced": _look("Not synced", "cloud_off", "\N{WHITE CIRCLE}", "gray"),
    "Synced": _look("Synced", "cloud_done", "\N{CHECK MARK}", "green"),
    # approvals
    "PendingManualApproval": _look("Waiting for approval", "hourglass_top", "\N{HORIZONTAL ELLIPSIS}", "orange"),
    "Approved": _look("Approved", "verified", "\N{CHECK MARK}", "green"),
    "Rejected": _look("Rejected", "cancel", "\N{MULTIPLICATION X}", "red"),
    # gates
    "Passed": _look("Passed", "check_circle", "\N{CHECK MARK}", "green"),
    "NotApplicable": _look("Not applicable", "remove", "-", "gray"),
    "MissingEvidence": _look("No evidence", "help_center", "?", "orange"),
    # one version against another
    "Better": _look("Better", "trending_up", "\N{UPWARDS ARROW}", "green"),
    "Worse": _look("Worse", "trending_down", "\N{DOWNWARDS ARROW}", "red"),
    "AsGood": _look("As good", "equal", "=", "blue"),
    "CannotTell": _look("Cannot tell yet", "help", "?", "orange"),
    # what was said about a version
    "Comment": _look("Comment", "chat", "\N{BLACK CIRCLE}", "blue"),
    # how an effect ended that is no deployment
    "done": _look("Done", "check_circle", "\N{CHECK MARK}", "green"),
    "refused": _look("Refused", "block", "\N{CIRCLED DIVISION SLASH}", "orange"),
    # the guard
    "drifted": _look("Drifted", "sync_problem", "!", "red"),
    "in step": _look("In step", "check_circle", "\N{CHECK MARK}", "green"),
    # the mix of a stage's answers against the test set's
    "MixTooFew": _look("Too few to tell", "help", "?", "gray"),
    "MixAsTested": _look("As tested", "check_circle", "\N{CHECK MARK}", "green"),
    "MixSlight": _look("Nearly as tested", "check_circle", "\N{CHECK MARK}", "blue"),
    "MixShifted": _look("Shifted", "trending_up", "!", "orange"),
    # the doctor
    "Ok": _look("OK", "check_circle", "\N{CHECK MARK}", "green"),
    "NotOk": _look("Needs attention", "warning", "!", "red"),
}
