"""Which labelled drawings a training, an evaluation or a gate means: those of now, or a set that was kept."""

from __future__ import annotations

from typing import Final

from backend.domain.example_sets import LONGEST_COMMENT, NOW, ExampleSet, find, require_name
from backend.domain.identity import Actor, Role
from backend.domain.training import Value
from backend.errors import InvalidInputError, RefusedError
from backend.ports.clock import Clock
from backend.ports.example_sets import ExampleSets
from backend.ports.hard_examples import HardExamples
from backend.services.auditing import Auditor
from backend.services.labelled_drawings import CHANNEL, LabelledDrawings, pack

OF_NOW: Final = "hard-examples"
"""What evaluations call the drawings as they were when they were tried."""


class ExampleSetService:
    def __init__(self, examples: HardExamples, sets: ExampleSets, auditor: Auditor, clock: Clock) -> None:
        self._examples = examples
        self._sets = sets
        self._auditor = auditor
        self._clock = clock

    def keep(self, name: str = "", *, actor: Actor, comment: str = "") -> ExampleSet:
        """Keep the drawings of now as a set that never changes; without a name it is called by its SHA-256.

        The very same drawings are one set: keeping them again returns it under the name that it has. Raises
        `RefusedError` when no drawing was labelled yet, `InvalidInputError` for a bad name, and for one that other
        drawings have, `PermissionDeniedError` below operator.
        """
        what = f"hard example set {name}".rstrip()
        self._auditor.require(actor, Role.OPERATOR, "keep a set of hard examples", action="keep", subject=what)
        word = require_name(name) if name else ""
        if len(comment) > LONGEST_COMMENT:
            raise InvalidInputError(f"The comment has {len(comment)} characters; at most {LONGEST_COMMENT} are kept.")
        drawings = self._now()
        called = word or f"set-{drawings.sha256[:8]}"
        with self._auditor.audited(actor, "keep", f"hard example set {called}") as effect:
            kept = self._sets.keep(
                ExampleSet(
                    name=called,
                    sha256=drawings.sha256,
                    n=drawings.count,
                    at=self._clock(),
                    by=actor.name,
                    comment=comment.strip(),
                ),
                drawings.content,
            )
            effect.subject = f"hard example set {kept.name}"
            effect.after = {"n": kept.n, "sha256": kept.sha256}
        return kept

    def drawings(self, asked: str = NOW) -> tuple[str, LabelledDrawings]:
        """A name, and the drawings of now (perhaps none) or of the set with that name or SHA-256.

        Raises `NotFoundError` for a set that there is not, `StoreError` when its file is another now.
        """
        if asked == NOW:
            return OF_NOW, pack(self._examples.list_examples())
        kept = find(self._sets.list_sets(), asked)
        return kept.name, LabelledDrawings(content=self._sets.content(kept.sha256), count=kept.n, sha256=kept.sha256)

    def for_training(self, share: Value | None, asked: str, *, actor: Actor) -> LabelledDrawings | None:
        """The drawings for a job with this `share` of them; None when it wants none.

        Those of now are kept as a set first, so that another job can be given the very same. Raises `RefusedError` when
        no drawing was labelled yet, and as `drawings`.
        """
        if not share:
            return None
        _, drawings = self.drawings(asked)
        if not drawings.count:
            raise RefusedError(
                f"{CHANNEL} is {share}, and no drawing has been labelled yet.",
                hint=f"Correct drawings on the Draw page first, or set {CHANNEL} to 0.",
            )
        if all(kept.sha256 != drawings.sha256 for kept in self._sets.list_sets()):
            self.keep(actor=actor)
        return drawings

    def _now(self) -> LabelledDrawings:
        drawings = pack(self._examples.list_examples())
        if not drawings.count:
            raise RefusedError(
                "No drawing has been labelled yet: there is no set to keep.", hint="Correct drawings on the Draw page."
            )
        return drawings
