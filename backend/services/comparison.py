"""Comparing versions: which data they share, and what the images say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from backend.domain.comparison import MOST, Comparison, Contender
from backend.domain.predictions import DataKind, Evaluated, Predictions, flips
from backend.domain.registry import ModelVersion
from backend.domain.statistics import MARGIN, Pair, verdicts
from backend.errors import DifferentDataError, InvalidInputError
from backend.ports.evaluations import EvaluationStore
from backend.ports.registry import ModelRegistry


class Comparing:
    def __init__(self, registry: ModelRegistry, evaluations: EvaluationStore) -> None:
        self._registry = registry
        self._evaluations = evaluations

    def compare(
        self, base: int, others: Sequence[int], *, kind: DataKind = DataKind.TEST, margin: float = MARGIN
    ) -> Comparison:
        """Each of `others` against `base` on one data set of the kind; `margin` is a difference that does not matter.

        The data set is one that the base was run on, of these the one that most of the others share, of these the
        newest. A version that was not run on it is in the comparison without a verdict. Raises `NotFoundError` for an
        unknown version, `InvalidInputError` for the same version twice, for fewer than 2 and for more than 20.
        """
        numbers = [base, *others]
        if len(set(numbers)) != len(numbers) or not 2 <= len(numbers) <= MOST:
            raise InvalidInputError(
                f"{len(numbers)} versions are to be compared ({', '.join(map(str, numbers))}); "
                f"expected 2 to {MOST} different ones."
            )
        versions = [self._registry.get(number) for number in numbers]
        data = self._shared(versions, kind)
        tried = [self._on(version, kind, data) for version in versions]
        return Comparison(
            kind=kind,
            margin=margin,
            data=data,
            base=Contender(version=versions[0], predictions=tried[0]),
            others=_against(tried[0], versions[1:], tried[1:], margin),
        )

    def require(self, base: int, others: Sequence[int], *, kind: DataKind, margin: float) -> Comparison:
        """As `compare`, but raises `DifferentDataError` unless every version was run on the same data."""
        found = self.compare(base, others, kind=kind, margin=margin)
        if found.missing:
            who = " and ".join(f"version {number}" for number in found.missing)
            on = f"'{found.data.data_name}' ({found.data.data_sha256[:12]})" if found.data else f"any {kind.value} data"
            same = f" --data {found.data.data_sha256}" if found.data and kind is DataKind.TEST else ""
            raise DifferentDataError(
                f"Only what was tried on the same images is compared: {who} never ran on {on}.",
                hint=f"python -m backend evaluate {' '.join(map(str, found.missing))}{same}",
            )
        return found

    def _shared(self, versions: Sequence[ModelVersion], kind: DataKind) -> Evaluated | None:
        """The data set to compare on; None when none of the versions was run on any of the kind."""
        tried = [[one for one in self._evaluations.evaluated(v.sha256) if one.kind is kind] for v in versions]
        counts = Counter(one.data_sha256 for found in tried for one in found)
        choices = tried[0] or [one for found in tried[1:] for one in found]
        return max(choices, key=lambda one: (counts[one.data_sha256], one.at), default=None)

    def _on(self, version: ModelVersion, kind: DataKind, data: Evaluated | None) -> Predictions | None:
        return self._evaluations.predictions(version.sha256, kind, data.data_sha256) if data else None


def _against(
    base: Predictions | None, versions: Sequence[ModelVersion], tried: Sequence[Predictions | None], margin: float
) -> tuple[Contender, ...]:
    changed = [flips(predictions, base) if predictions and base else None for predictions in tried]
    pairs: list[Pair] = [found.pair for found in changed if found is not None]
    found_verdicts = iter(verdicts(pairs, margin=margin))
    return tuple(
        Contender(
            version=version,
            predictions=predictions,
            flips=found,
            verdict=next(found_verdicts) if found is not None else None,
        )
        for version, predictions, found in zip(versions, tried, changed, strict=True)
    )
