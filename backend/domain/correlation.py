"""One id for all that one request causes: it stands in the log, the audit event, the deployment and the error shown.

A page's run, a command and an operation each begin with one; a process started on behalf of another takes over its id
through the environment.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

VARIABLE: Final = "DIGITS_CORRELATION_ID"
"""Of the environment; a CI job may set it to an id of its own."""

_KNOWN: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")
_current: ContextVar[str] = ContextVar("correlation", default="")


def current() -> str:
    """The id of what is being done; empty when nothing is."""
    return _current.get()


@contextmanager
def correlated(given: str = "") -> Iterator[str]:
    """Within the block there is an id: the one that is current already, else `given` if it can be one, else a new one.

    An id is 1 to 40 letters, digits, dots, hyphens and underscores.
    """
    reference = current() or (given if _KNOWN.fullmatch(given) else secrets.token_hex(4))
    token = _current.set(reference)
    try:
        yield reference
    finally:
        _current.reset(token)
