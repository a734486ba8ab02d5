"""Pull requests and comments over HTTP, against a stand-in of GitHub's API; and where the token never is."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from backend.adapters.github.client import GitHub
from backend.adapters.github.pull_requests import GitHubPullRequests
from backend.errors import AccessError, NotFoundError, PlatformError, ThrottledError, WrongStateError
from backend.ports.pull_requests import Proposal
from tests.fakes.github import REPOSITORY, TOKEN, GitHubStandIn, serving

PATH = "models/digit_classification.yaml"


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    with serving() as stand_in:
        stand_in.branches["main"][PATH] = "model_uri: model-version:1\n"
        yield stand_in


def pull_requests(github: GitHubStandIn, token: str = TOKEN) -> GitHubPullRequests:
    return GitHubPullRequests(GitHub(REPOSITORY, token, github.url))


PROPOSAL = Proposal(
    path=PATH, change=lambda text: text.replace(":1", ":2"), branch="declare-v2", title="Serve version 2", body="Why"
)


def test_a_change_is_proposed_once_on_a_branch_of_its_own(github: GitHubStandIn) -> None:
    made = pull_requests(github).propose(PROPOSAL)
    assert (made.is_new, made.number) == (True, 30)
    again = pull_requests(github).propose(PROPOSAL)
    assert (again.is_new, again.url, len(github.pulls)) == (False, made.url, 1)
    assert github.branches["declare-v2"][PATH] == "model_uri: model-version:2\n"
    assert github.branches["main"][PATH] == "model_uri: model-version:1\n"


def test_an_attempt_that_got_halfway_is_finished(github: GitHubStandIn) -> None:
    github.branches["declare-v2"] = {PATH: "model_uri: model-version:2\n"}
    assert pull_requests(github).propose(PROPOSAL).is_new


def test_what_main_says_already_is_not_proposed(github: GitHubStandIn) -> None:
    github.branches["main"][PATH] = "model_uri: model-version:2\n"
    with pytest.raises(WrongStateError, match="says so already"):
        pull_requests(github).propose(PROPOSAL)
    assert list(github.branches) == ["main"]


def test_a_comment_is_written_over_ours_wherever_it_is(github: GitHubStandIn) -> None:
    github.comments += [{"id": number, "body": "chat", "html_url": "x"} for number in range(120)]
    github.comments.append({"id": 500, "body": "<!-- m --> of somebody else", "html_url": "x", "foreign": True})
    comments = pull_requests(github)
    for text in ("one", "two"):
        comments.comment(12, marker="<!-- m -->", body=f"<!-- m -->\n{text}")
    ours = [one["body"] for one in github.comments if one["body"].startswith("<!-- m -->\n")]
    assert (ours, len(github.comments)) == (["<!-- m -->\ntwo"], 122)
    # Somebody who quotes our comment keeps what they wrote.
    github.comments.insert(0, {"id": 501, "body": "> <!-- m -->\nNo!", "html_url": "x"})
    comments.comment(12, marker="<!-- m -->", body="<!-- m -->\nthree")
    assert github.comments[0]["body"] == "> <!-- m -->\nNo!"
    with pytest.raises(NotFoundError):
        comments.comment(13, marker="<!-- m -->", body="<!-- m -->")


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (403, {}, AccessError),
        (403, {"X-RateLimit-Remaining": "0"}, ThrottledError),
        (429, {}, ThrottledError),
        (404, {}, NotFoundError),
        (502, {}, PlatformError),
        (301, {"Location": "http://127.0.0.1:9/elsewhere"}, PlatformError),
    ],
)
def test_a_refusal_is_told_without_the_token(
    github: GitHubStandIn,
    caplog: pytest.LogCaptureFixture,
    status: int,
    headers: dict[str, str],
    kind: type[Exception],
) -> None:
    github.answer_with = (status, headers, json.dumps({"message": f"no {TOKEN} today"}).encode())
    with caplog.at_level(logging.DEBUG), pytest.raises(kind) as refused:
        pull_requests(github).propose(PROPOSAL)
    told = f"{refused.value} {refused.value.__dict__} {refused.value.__cause__} {refused.value.__context__}"
    assert TOKEN not in told + caplog.text
    assert refused.value.__suppress_context__
    assert len(github.requests) == 1


def test_the_token_is_taken_along_to_no_other_address(github: GitHubStandIn) -> None:
    with serving() as elsewhere:
        elsewhere.branches["main"][PATH] = github.branches["main"][PATH]
        github.answer_with = (302, {"Location": f"{elsewhere.url}/repos/{REPOSITORY}"}, b"")
        with pytest.raises(PlatformError, match="GitHub answered 302"):
            pull_requests(github).propose(PROPOSAL)
        assert elsewhere.requests == []


def test_a_wrong_token_is_told_what_it_needs(github: GitHubStandIn) -> None:
    with pytest.raises(AccessError, match="401") as refused:
        pull_requests(github, "wrong").propose(PROPOSAL)
    assert "DIGITS_GITHUB_TOKEN" in refused.value.hint
    assert "wrong" not in repr(vars(refused.value))


def test_nobody_there_is_told() -> None:
    with pytest.raises(PlatformError, match="cannot be reached"):
        GitHubPullRequests(GitHub(REPOSITORY, TOKEN, "http://127.0.0.1:9")).propose(PROPOSAL)
