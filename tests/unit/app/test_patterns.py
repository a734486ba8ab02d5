"""Regular expressions that an address brings: none may keep everybody else waiting."""

from __future__ import annotations

import time

import pytest

from app.patterns import pattern
from backend.domain.run_query import parse_query
from backend.errors import InvalidInputError

ENDLESS = ("(a+)+$", "(a|aa)+$", "(.*a){25}b", "(x+x+)+y")
"""With Python's own engine each of these looks at the text below for longer than anybody lives."""
TEXT = "a" * 60 + "x" * 60 + "!"


@pytest.mark.parametrize("text", ENDLESS)
def test_none_takes_for_ever(text: str) -> None:
    begun = time.process_time()
    assert not pattern(text, ignore_case=True)(TEXT)
    assert not parse_query(f'name ~ "{text}"', pattern).fits({"name": TEXT}.get)
    assert time.process_time() - begun < 1.0  # CPU seconds


def test_they_are_found_anywhere_and_in_any_case_if_so_asked() -> None:
    assert pattern("^search-\\d+")("search-007-abcd")
    assert not pattern("SEARCH")("search-007")
    assert pattern("SEARCH", ignore_case=True)("search-007")
    assert pattern("")("")


@pytest.mark.parametrize("text", ["(", "[a", "a{2,1}", "(?=a)", r"(a)\1"])
def test_what_is_no_expression_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        pattern(text)
    with pytest.raises(InvalidInputError, match="it is no regular expression: "):
        parse_query(f"name ~ '{text}'", pattern)
