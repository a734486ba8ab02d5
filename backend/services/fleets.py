"""Changing what stands behind an endpoint: instances and alarms."""

from __future__ import annotations

from collections.abc import Sequence

from backend.domain.identity import Actor
from backend.domain.scaling import MOST_INSTANCES, Autoscaling, Scale
from backend.domain.serving import Stage
from backend.errors import InvalidInputError
from backend.ports.fleets import Fleets
from backend.ports.serving import ServingPlatform
from backend.services.auditing import Auditor
from backend.services.promotion import Promotion


class FleetService:
    """Whoever may promote to a stage may scale it. The stage is held meanwhile: no deployment is scaled midway."""

    def __init__(self, fleets: Fleets, serving: ServingPlatform, auditor: Auditor) -> None:
        self._fleets = fleets
        self._serving = serving
        self._auditor = auditor

    def scale(self, stage: Stage, instances: int, *, actor: Actor) -> Scale:
        """Begin to change the number of instances; returns how it stands then.

        Raises `InvalidInputError` for a number that no fleet has, `PermissionDeniedError`, `StageBusyError` during a
        deployment, and what `Fleets.set` raises.
        """
        if not 1 <= instances <= MOST_INSTANCES:
            raise InvalidInputError(
                f"A stage cannot have {instances} instances; expected 1 to {MOST_INSTANCES}.",
                hint="To stop paying for it, delete it.",
            )
        self._auditor.require(
            actor, Promotion.needed_role(stage), f"scale {stage.value}", action="scale", subject=f"stage {stage.value}"
        )
        with self._auditor.audited(actor, "scale", f"stage {stage.value}") as effect:
            with self._serving.hold(stage, f"{actor.name}, scaling it"):
                effect.before = {"instances": self._fleets.read(stage).desired}
                self._fleets.set(stage, instances)
            effect.after = {"instances": instances}
        return self._fleets.read(stage)

    def scale_automatically(self, stage: Stage, rule: Autoscaling, *, actor: Actor) -> Scale:
        """Let the number follow the load; raises as `scale`."""
        rule.require_sensible()
        self._auditor.require(
            actor, Promotion.needed_role(stage), f"scale {stage.value}", action="scale", subject=f"stage {stage.value}"
        )
        with self._auditor.audited(actor, "scale", f"stage {stage.value}") as effect:
            self._fleets.set_automatically(stage, rule)
            effect.after = {"minimum": rule.minimum, "maximum": rule.maximum, "per_minute": rule.per_minute}
        return self._fleets.read(stage)

    def scale_by_hand(self, stage: Stage, *, actor: Actor) -> Scale:
        """Let the number stay as it is from now on; raises as `scale`."""
        self._auditor.require(
            actor, Promotion.needed_role(stage), f"scale {stage.value}", action="scale", subject=f"stage {stage.value}"
        )
        with self._auditor.audited(actor, "scale", f"stage {stage.value}") as effect:
            self._fleets.set_by_hand(stage)
            effect.after = {"automatic": False}
        return self._fleets.read(stage)

    def watch(self, stage: Stage, *, actor: Actor) -> Sequence[str]:
        """Make the alarms that take a bad version back; their names. Making them again sets them right."""
        self._auditor.require(
            actor,
            Promotion.needed_role(stage),
            f"set alarms for {stage.value}",
            action="set alarms",
            subject=f"stage {stage.value}",
        )
        with self._auditor.audited(actor, "set alarms", f"stage {stage.value}") as effect:
            names = self._fleets.watch(stage)
            effect.after = {"alarms": ", ".join(names)}
        return names
