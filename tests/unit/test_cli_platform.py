"""`--platform` and `--json` are options of every verb of the command line, however deep it is."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator

from backend.cli.parser import build_parser


def verbs(parser: ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], ArgumentParser]]:
    """Those that run something, by the words that name them."""
    deeper = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    if not deeper:
        yield path, parser
    for action in deeper:
        for word, below in action.choices.items():
            yield from verbs(below, (*path, word))


def test_every_verb_works_on_either_platform_and_answers_with_a_document() -> None:
    found = dict(verbs(build_parser()))
    assert len(found) > 40
    without = {
        " ".join(path): missing
        for path, parser in found.items()
        if (missing := {"--platform", "--json"} - parser._option_string_actions.keys())
    }
    assert without == {}
