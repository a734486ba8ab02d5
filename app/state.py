"""Keys of `st.session_state` that are not widgets' own: every one, in one place."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Key(StrEnum):
    """What one visitor's session remembers."""

    STROKES = "strokes"
    """The drawing: list of strokes as the canvas sends them; survives reruns and page changes."""

    CANVAS_REVISION = "canvas_revision"
    """Grows when Python, not the pen, changed the drawing."""

    CANVAS_SEQ = "canvas_seq"
    """Number of the canvas event that was taken over last."""

    UPLOAD = "upload"
    """The picture that was uploaded, as the model sees it; None while the canvas counts."""

    ANSWERED = "answered"
    """The last picture and what an endpoint said about it: what a correction corrects."""

    PLATFORM = "platform"
    """Where this session works; the address says so too."""

    PLATFORM_CHOSEN = "platform_chosen"
    """The platform that was just chosen in the sidebar: the next run goes there."""

    LEAVING = "leaving"
    """How far the session has left the platform before: what `app.platforms` remembers between two runs."""

    SHELVES = "shelves"
    """By platform that the session has left, what it remembered there."""

    WAITING = "waiting"
    """Something of the page was asked and not answered yet: it is drawn again soon."""

    TURNS = "turns"
    """How often the browser has come back since."""

    COMMAND_OPTION = "command_option"
    """What a command needs to work where this session does: nothing where it does by itself."""

    PAGE = "page"
    """Address of the page that this session looked at last."""

    VISIT = "visit"
    """Counts the pages that were opened: part of the idempotency key of what a page submits."""

    SESSION = "session"
    """Random name of this session: the other part."""

    LOOKS = "looks"
    """The last two looks at each stage's metrics: a rate needs two."""

    DELETING = "deleting"
    """Id of the operation by which this session deletes an endpoint."""

    PROPOSING = "proposing"
    """Id of the operation by which this session opens a pull request."""

    STARTED = "started"
    """Id of the deployment that a drift banner started: the next run goes there."""

    DOCTOR = "doctor"
    """Id of the doctor's operation that this session looks at."""

    SPACE = "space"
    """Rows of the search space being made, and the visit to Launch that they belong to."""

    SHOWN_JOBS = "shown_jobs"
    """Names in the rows of the jobs table as the browser has them: a selection comes back as row numbers."""

    ASKED_TO_STOP = "asked_to_stop"
    """Names of the jobs that the next run asks about before it stops them."""

    CLICKED_VERSION = "clicked_version"
    """The version whose row in the registry is marked: a click that was heard is not heard again."""

    SHOWN_RUNS = "shown_runs"
    """Keys of the runs in the rows of the runs' table as the browser has them, and numbers of the rows ticked then."""

    RUNS_TOKEN = "runs_token"  # noqa: S105 - of what was drawn, not of anybody
    """What the runs page was drawn from: as long as it is still so, nothing is drawn again."""

    IMPORTANCE = "importance"
    """By tuning job, how many trials had finished when its importance was asked for."""

    EXPLAINED = "explained"
    """What an occlusion map was asked for: stage, the picture's bytes, and what was found."""

    FILES_ANSWERED = "files_answered"
    """Which files a stage was asked about last, and what it said of each."""

    EXAMPLES_PAGE = "examples_page"
    """What the hard examples were last paged through, and the page."""

    FORGOTTEN = "forgotten"
    """The hard example that was removed last: Undo keeps it again."""

    CORRECTED = "corrected"
    """A drawing was kept just now: the page shows the new list once."""

    GALLERY_PAGE = "gallery_page"
    """What the gallery of Compare was last paged through, and the page."""

    SAMPLES_PAGE = "samples_page"
    """What the samples on Draw were last paged through, and the page."""

    PICTURE = "picture"
    """The kept image that Draw was opened with; None while the canvas or an upload counts."""

    PICTURE_ASKED = "picture_asked"
    """The address of the kept image that was taken last: drawing afterwards does not bring it back."""


ANYWHERE: Final = frozenset(
    {
        Key.STROKES,
        Key.CANVAS_REVISION,
        Key.CANVAS_SEQ,
        Key.UPLOAD,
        Key.PAGE,
        Key.VISIT,
        Key.SESSION,
        Key.PLATFORM,
        Key.PLATFORM_CHOSEN,
        Key.LEAVING,
        Key.SHELVES,
        Key.COMMAND_OPTION,
    }
)
"""What stays with the person who goes to another platform; everything else is of the platform, and waits there."""
