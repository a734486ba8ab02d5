"""Which runs are looked at: there and back through the address, ticks on one page of a table among several."""

from __future__ import annotations

import pytest

from app.run_selection import FIRST, Selection, parse_selection

KEYS = [f"p/r{number}" for number in range(20)]


@pytest.mark.parametrize("word", ["", "none", "all", "p/a", "p/a,p/b", "all,!p/a,!p/b"])
def test_the_address_says_what_it_said(word: str) -> None:
    assert parse_selection(word).word == word


@pytest.mark.parametrize(("word", "meant"), [(" ", ""), (",,p/a,,p/a", "p/a"), ("all,p/a,!p/b", "all,!p/b")])
def test_an_odd_address_is_no_error(word: str, meant: str) -> None:
    assert parse_selection(word).word == meant


def test_nobody_chose_so_the_first_are_drawn() -> None:
    assert parse_selection("").chosen(KEYS, KEYS) == KEYS[:FIRST]


def test_everything_follows_the_filter() -> None:
    assert parse_selection("all,!p/r1").chosen(KEYS[:3], KEYS) == ["p/r0", "p/r2"]


def test_a_named_run_stays_when_the_filter_hides_it_but_not_when_it_is_gone() -> None:
    assert parse_selection("p/r9,p/gone").chosen(KEYS[:3], KEYS) == ["p/r9"]


def test_ticks_on_this_page_leave_the_other_pages_alone() -> None:
    before = parse_selection("p/r15,p/r1")
    after = before.ticked(KEYS[:10], {"p/r0", "p/r1"}, KEYS)
    assert after.word == "p/r15,p/r1,p/r0", "and what was drawn keeps its place, so its colour"


def test_unticking_one_of_all_leaves_the_others() -> None:
    assert Selection(everything=True).ticked(KEYS[:2], {"p/r0"}, KEYS).word == "all,!p/r1"
    assert parse_selection("all,!p/r1").ticked(KEYS[:2], set(KEYS[:2]), KEYS).word == "all"


def test_unticking_one_of_the_first_keeps_the_rest_by_name() -> None:
    after = Selection(by_default=True).ticked(KEYS[:10], set(KEYS[1:FIRST]), KEYS)
    assert after.keys == tuple(KEYS[1:FIRST])


def test_unticking_the_last_one_is_nothing_and_not_the_default() -> None:
    assert parse_selection("p/r0").ticked(KEYS[:10], set(), KEYS).word == "none"
