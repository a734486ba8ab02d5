"""The one way for pages to keep what they read: apart for each platform, whoever asks for it.

`copied` and `shared` are `st.cache_data` and `st.cache_resource` with the session's platform in the key: two sessions
on different platforms ask the same functions with the same arguments. Nothing else in `app` and `pages` may keep a
read; a test of the architecture looks for that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

import streamlit as st

from app.context import platform

P = ParamSpec("P")
R = TypeVar("R")


class Read(Generic[P, R]):
    """A function whose results are kept."""

    def __init__(self, read: Callable[P, R], cached: Callable[[Callable[..., R]], Any]) -> None:
        # Streamlit tells functions apart by name and source, and arguments by the names of these: both are the read's.
        @wraps(read)
        def of_platform(*args: Any, on_platform: str, **kwargs: Any) -> R:
            return read(*args, **kwargs)

        self._cached = cached(of_platform)
        self.__doc__ = read.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        result: R = self._cached(*args, on_platform=platform(), **kwargs)
        return result

    def clear(self) -> None:
        """Forget every result: the next look, on whichever platform, is a new one."""
        self._cached.clear()


def copied(
    *, ttl: float, max_entries: int | None = None, show_spinner: bool | str = False
) -> Callable[[Callable[P, R]], Read[P, R]]:
    """Keep results for `ttl` seconds; everybody who asks gets a copy of their own."""
    return lambda read: Read(read, st.cache_data(ttl=ttl, max_entries=max_entries, show_spinner=show_spinner))


def shared(
    *, ttl: float | None, max_entries: int | None = None, show_spinner: bool | str = False
) -> Callable[[Callable[P, R]], Read[P, R]]:
    """Keep results for `ttl` seconds (None: for good) as they are: nobody may change what they hold."""
    return lambda read: Read(read, st.cache_resource(ttl=ttl, max_entries=max_entries, show_spinner=show_spinner))
