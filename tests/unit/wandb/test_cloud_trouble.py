"""Every way in which W&B can fail has its own words; the texts are those that the pinned client was seen to give."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backend.adapters.wandb.cloud_trouble import ENDED, NO_ANSWER, Asked, CloudTrouble, explained, pause
from backend.adapters.wandb.secrets import scrubbed
from backend.errors import DigitsError, NotFoundError, PlatformError, SetupError

ASKED = Asked(base_url="https://api.wandb.example", entity="acme", project="digits")
GAVE_UP = "POST https://api.wandb.example/graphql giving up after 2 attempt(s)"


def trouble(text: str, *, status: int | None = None, kind: str = "WandbApiFailedError") -> CloudTrouble:
    return CloudTrouble(status=status, kind=kind, text=text)


@pytest.mark.parametrize(
    ("seen", "kind", "words"),
    [
        (trouble("user is not logged in", status=401), PlatformError, "does not know the key in WANDB_API_KEY (401)"),
        (
            trouble("API key must have 40+ characters, has 5."),
            PlatformError,
            "is no key of W&B's: API key must have 40+",
        ),
        (trouble("denied", status=403), PlatformError, "does not let this key read 'acme/digits' (403)"),
        (trouble(f"{GAVE_UP}\nwhile retrying: HTTP 429: slow"), PlatformError, "takes no more requests for now"),
        (trouble("HTTP 429", status=429), PlatformError, "takes no more requests for now"),
        (trouble(f"{GAVE_UP}\nwhile retrying: HTTP 503: x"), PlatformError, "failed with an error of its own (503)"),
        (trouble("Could not find project digits", kind="ValueError"), NotFoundError, "has no project 'acme/digits'"),
        (trouble("Could not find run <Run acme/digits/r (not found)>"), NotFoundError, "has no run 'acme/digits'"),
        (
            trouble(f'{GAVE_UP}: Post "https://x/graphql": dial tcp 127.0.0.1:9: connect: connection refused'),
            PlatformError,
            "api.wandb.example cannot be reached: connection refused.",
        ),
        (trouble("dial tcp: lookup x on 10.0.0.1:53: no such host"), PlatformError, "there is no such host."),
        (trouble("[Errno -2] Name or service not known"), PlatformError, "there is no such host."),
        (trouble("tls: x509: certificate signed by unknown authority"), PlatformError, "certificate of W&B's server"),
        (trouble("the service process is busy and did not respond in time"), PlatformError, "did not answer in time"),
        (trouble(NO_ANSWER, kind=""), PlatformError, "did not answer in time"),
        (trouble("No module named 'wandb'", kind="ModuleNotFoundError"), SetupError, "cannot be loaded"),
        (trouble(ENDED, kind=""), PlatformError, "ended twice"),
        (trouble("Cannot query field 'x'", status=400), PlatformError, "could not do what was asked (400): Cannot"),
    ],
)
def test_each_trouble_has_its_own_words_and_a_next_step(
    seen: CloudTrouble, kind: type[DigitsError], words: str
) -> None:
    error = explained(seen, ASKED)
    assert type(error) is kind
    assert words in error.message
    assert error.hint


def test_no_two_kinds_of_trouble_are_told_alike() -> None:
    seen = [trouble("x", status=status) for status in (400, 401, 403, 404, 429, 500)]
    seen += [trouble(text) for text in ("connection refused", "no such host", NO_ANSWER, "x509")]
    assert len({explained(one, ASKED).message for one in seen}) == len(seen)


def test_a_key_that_was_good_is_said_to_be_revoked_and_where_to_make_another() -> None:
    asked = Asked(
        base_url=ASKED.base_url,
        entity="acme",
        project="digits",
        accepted_at=datetime(2026, 11, 25, 7, 30, 5, tzinfo=UTC),
    )
    error = explained(trouble("user is not logged in", status=401), asked)
    assert "which it took at 2026-11-25 07:30:05 UTC: it was revoked or has expired" in error.message
    assert "https://wandb.example/authorize" in error.hint


def test_it_is_asked_again_less_and_less_often() -> None:
    assert [pause(trouble("x", status=500), failures) for failures in (1, 2, 3, 99)] == [15, 30, 60, 300]


@pytest.mark.parametrize(("status", "seconds"), [(401, 300), (403, 300), (404, 300), (429, 60)])
def test_what_stays_refused_is_not_asked_every_few_seconds(status: int, seconds: float) -> None:
    assert pause(trouble("x", status=status), 1) == seconds


def test_the_servers_own_wish_counts_within_reason() -> None:
    wish = CloudTrouble(status=429, kind="", text="HTTP 429", retry_after=90)
    assert pause(wish, 1) == 90
    assert pause(CloudTrouble(status=429, kind="", text="", retry_after=86_400), 1) == 300


def test_nothing_that_could_be_a_key_stays_in_a_text() -> None:
    key = "0123456789abcdef0123456789abcdef01234567"
    for told in (key, f"local-{key}", f"wandb_v1_{'Ab-9' * 16}"):
        assert scrubbed(f"refused: {told}!") == "refused: [left out]!"
    assert scrubbed("run mnist-0142 of acme/digits") == "run mnist-0142 of acme/digits"
