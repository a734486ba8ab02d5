"""YAML that people write, read as nodes, so that what is wrong can be named with its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

import yaml
from yaml.nodes import MappingNode, Node

from backend.errors import InvalidInputError

_LARGEST_BYTES: Final = 100_000


def compose(content: bytes, name: str, what: str) -> Node | None:
    """The root of the document called `name`; None when it is empty.

    Nodes, not values: they know their lines, and a key that is there twice is still there twice. Raises
    `InvalidInputError` that names the line where it is no YAML, and for a file too large to be `what`.
    """
    if len(content) > _LARGEST_BYTES:
        raise InvalidInputError(f"'{name}' has {len(content):,} bytes; expected {what}, in {_LARGEST_BYTES:,} at most.")
    try:
        return yaml.compose(content, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is no UTF-8 text"
        raise InvalidInputError(f"'{name}'{line}: not YAML: {problem}.") from error


class Refusals:
    """Of one document; each names it and the line. `hint` says where the document's keys are explained."""

    def __init__(self, name: str, hint: str) -> None:
        self._name = name
        self._hint = hint

    def entries(self, node: Node | None, what: str, known: Iterable[str]) -> dict[str, tuple[Node, Node]]:
        """The mapping's keys and values by key; refuses what is no mapping, and unknown or doubled keys."""
        known = list(known)
        if not isinstance(node, MappingNode):
            raise self.refusal(node, f"expected {what} as keys: {', '.join(known) or 'none'}")
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            word = str(key.value)
            if word not in known:
                near = difflib.get_close_matches(word, known, n=1)
                meant = f"meant is perhaps '{near[0]}'" if near else f"expected one of {', '.join(known)}"
                raise self.refusal(key, f"unknown key '{word[:40]}' in {what}; {meant}")
            if word in found:
                raise self.refusal(key, f"'{word}' is there twice in {what}")
            found[word] = (key, value)
        return found

    def refusal(self, node: Node | None, why: str) -> InvalidInputError:
        line = node.start_mark.line + 1 if node is not None else 1
        return InvalidInputError(f"'{self._name}', line {line}: {why}.", hint=self._hint)
