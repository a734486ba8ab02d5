"""Pull requests and comments on GitHub; asking for the same twice makes it once."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any, Final

from backend.adapters.github.client import GitHub
from backend.errors import AccessError, InvalidInputError, PlatformError, SetupError, WrongStateError
from backend.ports.pull_requests import Proposal, PullRequest, PullRequests

_PAGE: Final = 100
_MOST_COMMENTS: Final = 3_000


class GitHubPullRequests:
    """`PullRequests` on GitHub."""

    def __init__(self, github: GitHub) -> None:
        self._github = github

    def propose(self, proposal: Proposal) -> PullRequest:
        default = str(self._github.ask("GET", "")["default_branch"])
        text, _ = self._file(proposal.path, default)
        wanted = proposal.change(text)
        if wanted == text:
            raise WrongStateError(f"'{proposal.path}' on {default} says so already: there is nothing to propose.")
        if (known := self._open_for(proposal.branch)) is not None:
            return known
        head = self._github.ask("GET", f"/git/ref/heads/{default}")["object"]["sha"]
        with suppress(InvalidInputError):  # the branch is there: an earlier attempt got that far
            self._github.ask("POST", "/git/refs", {"ref": f"refs/heads/{proposal.branch}", "sha": head})
        there, blob = self._file(proposal.path, proposal.branch)
        if there != wanted:
            content = base64.b64encode(wanted.encode()).decode()
            change = {"message": proposal.title, "content": content, "sha": blob, "branch": proposal.branch}
            self._github.ask("PUT", f"/contents/{proposal.path}", change)
        request = {"title": proposal.title, "body": proposal.body, "head": proposal.branch, "base": default}
        try:
            made = self._github.ask("POST", "/pulls", request)
        except InvalidInputError:
            if (known := self._open_for(proposal.branch)) is None:  # else somebody opened it in this moment
                raise
            return known
        return PullRequest(number=made["number"], url=made["html_url"], is_new=True)

    def comment(self, number: int, *, marker: str, body: str) -> str:
        for known in self._comments(number):
            if str(known["body"]).startswith(marker):
                with suppress(AccessError):  # somebody else wrote our marker: theirs stays
                    return str(self._github.ask("PATCH", f"/issues/comments/{known['id']}", {"body": body})["html_url"])
        return str(self._github.ask("POST", f"/issues/{number}/comments", {"body": body})["html_url"])

    def _comments(self, number: int) -> list[Any]:
        found: list[Any] = []
        for page in range(1, _MOST_COMMENTS // _PAGE + 1):
            asked = {"per_page": str(_PAGE), "page": str(page)}
            batch = self._github.ask("GET", f"/issues/{number}/comments", query=asked)
            found += batch
            if len(batch) < _PAGE:
                break
        return found

    def _open_for(self, branch: str) -> PullRequest | None:
        asked = {"head": f"{self._github.owner}:{branch}", "state": "open"}
        found = self._github.ask("GET", "/pulls", query=asked)
        return PullRequest(number=found[0]["number"], url=found[0]["html_url"], is_new=False) if found else None

    def _file(self, path: str, branch: str) -> tuple[str, str]:
        """The text and the blob's id."""
        told = self._github.ask("GET", f"/contents/{path}", query={"ref": branch})
        try:
            return base64.b64decode(told["content"]).decode(), str(told["sha"])
        except (KeyError, TypeError, ValueError) as error:
            raise PlatformError(f"'{path}' on {branch} is no text file.") from error


class NoPullRequests:
    """`PullRequests` where no token is configured: each says what to set."""

    def propose(self, proposal: Proposal) -> PullRequest:
        raise _unset()

    def comment(self, number: int, *, marker: str, body: str) -> str:
        raise _unset()


def _unset() -> SetupError:
    return SetupError(
        "No pull request can be opened or commented on: GitHub is not configured.",
        hint="Set DIGITS_GITHUB_TOKEN and DIGITS_GITHUB_REPOSITORY; or copy the change and open it by hand.",
    )


def _conforms(adapter: GitHubPullRequests) -> PullRequests:
    return adapter


def _conforms_unset(adapter: NoPullRequests) -> PullRequests:
    return adapter
