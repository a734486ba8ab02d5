"""How long a stage is to serve: limiting it, extending it, and taking it down where the platform does not by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from backend.domain.capabilities import Feature
from backend.domain.identity import Actor
from backend.domain.lifetimes import EXPIRED, LIMITED, NO_LIMIT, Lifetime, extended
from backend.domain.serving import Endpoint, Stage
from backend.errors import InvalidInputError, WrongStateError
from backend.ports.clock import Clock
from backend.ports.serving import ServingPlatform
from backend.ports.upkeep import Lifetimes
from backend.services.auditing import Auditor
from backend.services.promotion import Promotion


class LifetimeService:
    """Whoever may promote to a stage may extend it."""

    def __init__(self, lifetimes: Lifetimes, serving: ServingPlatform, auditor: Auditor, clock: Clock) -> None:
        self._lifetimes = lifetimes
        self._serving = serving
        self._auditor = auditor
        self._clock = clock

    def extend(self, stage: Stage, hours: float, *, actor: Actor) -> Lifetime:
        """Let the stage serve `hours` longer; from now on, where it had no limit.

        Raises `InvalidInputError` for hours that are no extension or a stage that never has a limit,
        `PermissionDeniedError`, and `WrongStateError` when nothing is deployed.
        """
        return self._change(stage, lambda lifetime: extended(lifetime, hours, self._clock()), actor)

    def lift(self, stage: Stage, *, actor: Actor) -> Lifetime:
        """Let the stage serve until it is deleted; raises as `extend`."""
        return self._change(stage, lambda _: NO_LIMIT, actor)

    def take_down_due(self, *, actor: Actor) -> Sequence[Endpoint]:
        """Delete the stages whose time is over, each as an effect of its own; how they stand then.

        Does nothing where the platform sees to that by itself. Raises as `Endpoints.delete`.
        """
        if Feature.TAKE_DOWN not in self._serving.unsupported or not self._is_over(LIMITED):
            return []
        stage = LIMITED
        actor.require(Promotion.needed_role(stage), f"take {stage.value} down")
        with self._serving.hold(stage, f"{actor.name}, whose guard takes it down"):
            endpoint, lifetime = self._serving.describe(stage), self._lifetimes.read(stage)
            if not self._is_over(stage):
                return []  # somebody has just extended it
            with self._auditor.audited(actor, EXPIRED, f"stage {stage.value}") as effect:
                effect.before = {
                    "version": endpoint.current.version if endpoint.current else None,
                    "until": lifetime.until.isoformat() if lifetime.until else None,
                }
                self._serving.delete(stage)
                self._lifetimes.keep(stage, Lifetime(taken_down_at=self._clock()))
                effect.after = {"version": None}
        return [self._serving.describe(stage)]

    def _change(self, stage: Stage, change: Callable[[Lifetime], Lifetime], actor: Actor) -> Lifetime:
        if stage is not LIMITED:
            raise InvalidInputError(
                f"'{stage.value}' has no time to live: it serves until somebody deletes it.",
                hint=f"Only {LIMITED.value} has one.",
            )
        self._auditor.require(
            actor,
            Promotion.needed_role(stage),
            f"extend {stage.value}",
            action="extend",
            subject=f"stage {stage.value}",
        )
        with self._auditor.audited(actor, "extend", f"stage {stage.value}") as effect:
            if self._serving.describe(stage).wanted is None:
                raise WrongStateError(
                    f"'{stage.value}' cannot be extended: nothing is deployed.", hint="Promote a version to it."
                )
            before = self._lifetimes.read(stage)
            after = change(before)
            self._lifetimes.keep(stage, after)
            effect.before, effect.after = _document(before), _document(after)
        return after

    def _is_over(self, stage: Stage) -> bool:
        over = self._lifetimes.read(stage).is_due(self._clock())
        return over and self._serving.describe(stage).wanted is not None


def _document(lifetime: Lifetime) -> dict[str, str | None]:
    return {"until": lifetime.until.isoformat(timespec="seconds") if lifetime.until else None}
