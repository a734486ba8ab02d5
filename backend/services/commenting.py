"""Comments on pull requests."""

from __future__ import annotations

from backend.domain.identity import Actor, Role
from backend.ports.pull_requests import PullRequests
from backend.services.auditing import Auditor


class Commenting:
    def __init__(self, pull_requests: PullRequests, auditor: Auditor) -> None:
        self._pull_requests = pull_requests
        self._auditor = auditor

    def comment(self, number: int, *, marker: str, body: str, actor: Actor) -> str:
        """Write `body` on the pull request, over our earlier comment with that marker; its address.

        Raises `PermissionDeniedError` below operator, and as `PullRequests.comment`.
        """
        self._auditor.require(
            actor,
            Role.OPERATOR,
            f"comment on pull request {number}",
            action="comment",
            subject=f"pull request {number}",
        )
        with self._auditor.audited(actor, "comment", f"pull request {number}") as effect:
            url = self._pull_requests.comment(number, marker=marker, body=body)
            effect.after = {"url": url}
        return url
