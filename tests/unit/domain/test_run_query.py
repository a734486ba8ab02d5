"""The filter of runs: what fits, what does not, and what the errors point at."""

from __future__ import annotations

import pytest

from backend.domain.run_query import Value, parse_query
from backend.errors import InvalidInputError

RUN: dict[str, Value] = {
    "name": "search-007-abcd",
    "state": "finished",
    "config.lr": 0.004,
    "config.model": "lean_d",
    "config.amp": False,
    "config.width": "128",
    "config.note": 'he said "no"',
    "summary.val/accuracy": 0.991,
    "summary.test loss": 0.03,
    "started": "2026-11-23T12:00:00Z",
    "tags": ("mnist", "baseline"),
    "group": "",
}


def fits(text: str, run: dict[str, Value] = RUN) -> bool:
    return parse_query(text).fits(run.get)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        'config.lr < 0.01 and state == "finished"',
        "config.lr = 4e-3",
        "config.lr==.004",
        "0.001 < config.lr <= 0.004",
        "config.lr > -1",
        "summary.val/accuracy>=.99",
        "`summary.test loss` < 1",
        'name ~ "^search-\\d+"',
        "name ~ 'ABC|abcd$'",
        'name !~ "^train"',
        'not name ~ "^train"',
        "not (state == 'failed' or state == 'crashed')",
        "state in ['failed', 'finished']",
        "state not in ['failed', 'crashed']",
        'tags == "mnist"',
        '"mnist" in tags',
        'tags ~ "^base"',
        'tags != "other"',
        "config.amp == false",
        "not config.amp",
        "config.width > 100",
        "config.width == 128",
        "config.lr",
        "config.absent == null",
        "config.lr != null",
        'started > "2026-11-01" && started < "2026-12"',
        'config.note == "he said \\"no\\""',
        "config.note ~ 'said'",
        "STATE == 1 OR state == 'finished' AND config.lr < 1",
        "!(config.lr > 1)",
        "config.model != 3",
    ],
)
def test_fits(text: str) -> None:
    assert fits(text)


@pytest.mark.parametrize(
    "text",
    [
        'config.lr < 0.001 and state == "finished"',
        "0.001 < config.lr < 0.004",
        "name ~ '^abcd'",
        "state not in ['failed', 'finished']",
        '"other" in tags',
        '"mnist" not in tags',
        'tags != "mnist"',
        'tags !~ "mni"',
        "config.amp",
        "group",
        "config.absent",
        "config.absent < 1",
        "config.absent > 1",
        "config.absent != 1",
        "config.absent != null",
        'config.absent !~ "x"',
        "config.absent == config.missing",
        "config.model < 3",
        "config.lr == null",
        # `and` binds more tightly than `or`
        "state == 'finished' and config.lr > 1 or config.amp",
    ],
)
def test_does_not_fit(text: str) -> None:
    assert not fits(text)


def test_names_are_told_so_that_a_wrong_one_can_be_said() -> None:
    assert parse_query("config.lr < 1 and (`a b` or not x in ['y', z])").names == {"config.lr", "a b", "x", "z"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config.lr <", "at the end: a name, a number or a text in quotes is missing"),
        ("config.lr < 0.01 state", "at character 18, 'state': 'and' or 'or' is missing before it"),
        ("(config.lr < 1", "at the end: ')' is missing"),
        ("config.lr < 1)", "at character 14, ')': 'and' or 'or' is missing before it"),
        ('state == "fin', "at character 10, '\"': it has no closing quote"),
        ("`state == 1", "at character 1, '`': it has no closing backtick"),
        ("a ; b", "at character 3, ';': no name, number or sign begins so"),
        ("name ~ search", "at character 8, 'search': after ~ comes a regular expression in quotes"),
        ('name ~ "("', "at character 8, '\"(\"': it is no regular expression: missing ), unterminated subpattern"),
        ("and state", "at character 1, 'and': a name, a number or a text in quotes is missing"),
        ("state in [", "at the end: a name, a number or a text in quotes is missing"),
        ("state in ['a'", "at the end: ']' is missing"),
        ("a == == b", "at character 6, '==': a name"),
        ("(" * 60 + "a" + ")" * 60, "more than 40 parentheses"),
        ("not " * 60 + "a", "more than 40 parentheses"),
        ("a" * 2001, "2,001 characters"),
    ],
)
def test_errors_say_where(text: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_query(text)
    assert said in caught.value.message


def test_nothing_is_ever_evaluated() -> None:
    """What would be a call or an attribute in Python is a name that no run has, or no filter at all."""
    assert not fits("__class__.__mro__")
    with pytest.raises(InvalidInputError):
        parse_query("__import__('os').system('true')")
