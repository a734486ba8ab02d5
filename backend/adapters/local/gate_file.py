"""The gates' file: what each stage asks, in YAML that people write and errors that name the line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from yaml.nodes import Node, ScalarNode

from backend.adapters.local.yaml_nodes import Refusals, compose
from backend.domain.gates import ASK_STAGING, LIMITS, Gate, GateName
from backend.domain.serving import Stage
from backend.errors import InvalidInputError, NotFoundError

_WITHOUT_LIMITS: Final = "required"
_SET: Final = "set"
"""The set of labelled drawings that the gate `hard_examples` asks about; may be left out."""
_HINT: Final = "The comments in models/gates.yaml say what each gate takes."


def read_gates(path: Path) -> Mapping[Stage, tuple[Gate, ...]]:
    """Every stage's gates in the order of the file.

    Raises `NotFoundError` when there is no such file, `InvalidInputError` that names the line for an unknown or missing
    key, a bad value, and a gate that its stage cannot have.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(
            f"The gates' file '{path}' does not exist.", hint="Restore models/gates.yaml, or mend DIGITS_GATES."
        ) from None
    except OSError as error:
        raise InvalidInputError(f"The gates' file '{path}' cannot be read: {error.strerror}.") from error
    return _Reader(path).stages(compose(content, str(path), "gates"))


class _Reader:
    """One file; every refusal names it and the line."""

    def __init__(self, path: Path) -> None:
        self._refusals = Refusals(str(path), _HINT)

    def stages(self, root: Node | None) -> Mapping[Stage, tuple[Gate, ...]]:
        words = [stage.value for stage in Stage]
        entries = self._entries(root, "the stages", words)
        for word in words:
            if word not in entries:
                raise self._refusal(root, f"'{word}' is missing: each stage names its gates")
        return {stage: self._gates(stage, entries[stage.value]) for stage in Stage}

    def _gates(self, stage: Stage, node: Node) -> tuple[Gate, ...]:
        gates = []
        for word, value in self._entries(node, f"the gates of '{stage.value}'", [n.value for n in GateName]).items():
            name = GateName(word)
            if stage is Stage.STAGING and name in ASK_STAGING:
                raise self._refusal(
                    value, f"'{word}' asks what serves on staging: a version cannot have served there before it does"
                )
            gates.append(Gate(name=name, limits=self._limits(name, value), examples=self._examples(name, value)))
        return tuple(gates)

    def _limits(self, name: GateName, node: Node) -> Mapping[str, float]:
        taken = LIMITS[name]
        if not taken:
            if not isinstance(node, ScalarNode) or node.value != _WITHOUT_LIMITS:
                raise self._refusal(node, f"'{name.value}' takes no limits: write `{name.value}: {_WITHOUT_LIMITS}`")
            return {}
        also = [_SET] if name is GateName.HARD_EXAMPLES else []
        found = self._entries(node, f"the limits of '{name.value}'", [*taken, *also])
        for word in taken:
            if word not in found:
                raise self._refusal(node, f"'{name.value}' needs '{word}'")
        return {word: self._number(name, word, found[word]) for word in taken}

    def _examples(self, name: GateName, node: Node) -> str:
        """The set that the gate names; whether there is one is found out when it is asked."""
        if name is not GateName.HARD_EXAMPLES:
            return ""
        value = self._entries(node, f"the limits of '{name.value}'", [*LIMITS[name], _SET]).get(_SET)
        if value is None:
            return ""
        if not isinstance(value, ScalarNode) or not value.value.strip():
            raise self._refusal(value, f"'{_SET}' of '{name.value}' is no name of a set of labelled drawings")
        return str(value.value).strip()

    def _number(self, name: GateName, word: str, node: Node) -> float:
        limit = LIMITS[name][word]
        try:
            value = float(node.value) if isinstance(node, ScalarNode) else math.nan
        except ValueError:
            value = math.nan
        if not limit.low <= value <= limit.high:
            written = f"is '{node.value}'" if isinstance(node, ScalarNode) else "is no number"
            raise self._refusal(
                node, f"'{word}' of '{name.value}' {written}, expected a number from {limit.low:g} to {limit.high:g}"
            )
        return value

    def _entries(self, node: Node | None, what: str, known: Iterable[str]) -> dict[str, Node]:
        return {word: value for word, (_, value) in self._refusals.entries(node, what, known).items()}

    def _refusal(self, node: Node | None, why: str) -> InvalidInputError:
        return self._refusals.refusal(node, why)
