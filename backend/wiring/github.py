"""GitHub, where the settings name a repository and a token for it."""

from __future__ import annotations

from backend.adapters.github.client import GitHub
from backend.adapters.github.pull_requests import GitHubPullRequests
from backend.ports.pull_requests import PullRequests
from backend.settings import Settings
from backend.wiring.environment import secret


def pull_requests(settings: Settings) -> PullRequests | None:
    """None without a repository and a token for it."""
    token = secret(settings.github_token)
    if not token or not settings.github_repository:
        return None
    return GitHubPullRequests(GitHub(settings.github_repository, token, settings.github_api_url))
