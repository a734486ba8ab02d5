"""Statuses, times, steps: every word of the domain is shown, and no two look the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

import pytest
from streamlit.testing.v1 import AppTest

from app.components.relative_time import duration, exact_utc, relative
from app.components.status_badge import LOOKS, check_status, look_of, status_cell, status_column
from backend.domain.jobs import JobStatus
from backend.domain.promotion import Outcome
from backend.domain.registry import Approval
from backend.domain.serving import EndpointStatus
from backend.domain.steps import StepStatus

NOW = datetime(2026, 3, 1, 14, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize("statuses", [JobStatus, StepStatus, Outcome, EndpointStatus, Approval])
def test_every_status_of_the_domain_has_a_look(statuses: type[Enum]) -> None:
    assert [look_of(status).word for status in statuses] == [look_of(status.value).word for status in statuses]


def test_what_has_the_same_word_looks_the_same_and_none_relies_on_colour_alone() -> None:
    """A job and its run may both be "Running"; nothing else may."""
    assert len({look.word for look in LOOKS.values()}) == len(set(LOOKS.values()))
    for look in LOOKS.values():
        assert look.word
        assert look.sign
        assert look.icon.startswith(":material/")


def test_not_reaching_an_endpoint_is_never_shown_as_failed() -> None:
    unknown = look_of(EndpointStatus.UNKNOWN)
    assert unknown.word == "Unknown (cannot reach)"
    assert (unknown.colour, unknown.icon) != (look_of("Failed").colour, look_of("Failed").icon)


def test_the_colours_say_what_the_words_say() -> None:
    expected = {"Pending": "gray", "InProgress": "blue", "Completed": "green", "PendingManualApproval": "orange"}
    expected |= {"Failed": "red", "Stopped": "gray"}
    assert {word: look_of(word).colour for word in expected} == expected
    assert look_of(check_status(True)).colour == "green"
    assert look_of(check_status(False)).colour == "red"


def test_an_unknown_word_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'Exploded'"):
        look_of("Exploded")


def test_table_chips_cover_every_word() -> None:
    column = status_column()
    offered = {option["value"]: option for option in column["type_config"]["options"]}
    for word in LOOKS:
        (cell,) = status_cell(word)
        assert offered[cell]["label"].endswith(cell)
        assert offered[cell]["color"] == look_of(word).colour


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (4, "just now"),
        (42, "42 s ago"),
        (26 * 60 + 50, "26 min ago"),
        (2 * 3600, "2 h ago"),
        (86_400, "1 day ago"),
        (3 * 86_400, "3 days ago"),
        (-310, "in 5 min"),
    ],
)
def test_relative_times(seconds: int, told: str) -> None:
    assert relative(NOW - timedelta(seconds=seconds), NOW) == told


def test_the_exact_time_is_utc_wherever_it_was_measured() -> None:
    assert exact_utc(NOW.astimezone(timezone(timedelta(hours=5)))) == "2026-03-01 14:02:11 UTC"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0123, "12 ms"),
        (0.9997, "1.0 s"),
        (4.21, "4.2 s"),
        (59.7, "1 min"),
        (84, "1 min 24 s"),
        (7500, "2 h 5 min"),
        (86_400, "1 day"),
        (273_600, "3 days 4 h"),
    ],
)
def test_durations_always_have_units(seconds: float, told: str) -> None:
    assert duration(timedelta(seconds=seconds)) == told


def _steps() -> None:
    from datetime import UTC, datetime, timedelta

    from app.components.step_list import step_list
    from backend.domain.steps import Step, StepStatus

    now = datetime(2026, 3, 1, 14, 2, 11, tzinfo=UTC)
    step_list(
        [
            Step(name="validate", status=StepStatus.COMPLETED, started_at=now - timedelta(seconds=9), ended_at=now),
            Step(
                name="load",
                status=StepStatus.FAILED,
                detail="![x](http://elsewhere/x.png) <b>",
                started_at=now - timedelta(seconds=84),
            ),
            Step(name="switch"),
        ],
        key="d",
        now=now,
    )


def test_steps_show_state_and_time_and_details_stay_text() -> None:
    at = AppTest.from_function(_steps).run()
    assert not at.exception
    assert [text.value for text in at.text] == [
        *("Validate", "", "9.0 s"),
        *("Load", "![x](http://elsewhere/x.png) <b>", "1 min 24 s"),
        *("Switch", ""),
    ]
    badges = [badge.value for badge in at.markdown]
    assert [any(word in badge for badge in badges) for word in ("Completed", "Failed", "Queued")] == [True] * 3
    assert not any("elsewhere" in badge for badge in badges)
