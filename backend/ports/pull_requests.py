"""The repository's pull requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A change of one file. `change` makes the new text of the one that is on the default branch, whatever is here."""

    path: str
    change: Callable[[str], str]
    branch: str
    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    number: int
    url: str
    is_new: bool


class PullRequests(Protocol):
    """Every method may raise `AccessError`, `ThrottledError` and `PlatformError`; none tells the token."""

    def propose(self, proposal: Proposal) -> PullRequest:
        """Open a pull request with the change, or find the one that is open for the same branch.

        Raises `WrongStateError` when the default branch has the new text already, `NotFoundError` when it has no such
        file, and what `change` raises.
        """
        ...

    def comment(self, number: int, *, marker: str, body: str) -> str:
        """Write `body`, which begins with `marker`, in place of our earlier comment that does; its address.

        Raises `NotFoundError` when there is no such pull request.
        """
        ...
