"""What a page shows when something failed: never a traceback, always an id that is also in the log."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from app.components.error_panel import error_panel
from app.components.waiting import waiting
from backend.domain.correlation import correlated
from backend.errors import DigitsError, NotYetError, PlatformError

log = logging.getLogger("digits.app")


@contextmanager
def shown(what: str) -> Iterator[None]:
    """Run the block; a failure in it becomes a panel in its place and the rest of the page goes on.

    `what` names what the block was doing: 'List the jobs'. The block's correlation id is the reference: log and audit
    know what the block did by it. What was asked and is not answered yet is waited for, and the page drawn anew.
    Streamlit's own control flow (stop, rerun) passes through: it does not derive from `Exception`.
    """
    with correlated() as reference:
        try:
            yield
        except NotYetError as error:
            waiting(error.message)
        except DigitsError as error:
            level = logging.ERROR if isinstance(error, PlatformError) else logging.WARNING
            log.log(level, "[%s] %s: %s: %s", reference, what, type(error).__name__, error.message)
            error_panel(
                key=secrets.token_hex(4),
                what=f"{what}: this did not work.",
                why=error.message,
                next_step=error.hint,
                reference=reference,
            )
        except Exception:  # the last line of defence of a page: logged whole, shown as an id
            log.exception("[%s] %s", reference, what)
            error_panel(
                key=secrets.token_hex(4),
                what=f"{what}: this did not work.",
                why="An unexpected error; this is a fault of the dashboard.",
                next_step="Reload the page. If it stays, look for the reference in the dashboard's log.",
                reference=reference,
            )
