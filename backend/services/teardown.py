"""Taking away what deliveries brought: endpoints of pull requests that are closed, and those that nobody closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backend.domain.capabilities import Feature
from backend.domain.delivery import NamedEndpoint, delivered_under, pull_request_suffix
from backend.domain.identity import Actor
from backend.domain.serving import Stage
from backend.errors import DigitsError, InvalidInputError
from backend.ports.clock import Clock
from backend.ports.deployments import DeploymentStore
from backend.ports.serving import ServingPlatform
from backend.ports.sites import Sites
from backend.services.auditing import Auditor
from backend.services.endpoints import Endpoints
from backend.services.promotion import Promotion


@dataclass(frozen=True, kw_only=True)
class TornDown:
    """What is gone: an endpoint with its configs and models. `error` is why it is still there."""

    name: str
    error: DigitsError | None = None


class Teardown:
    def __init__(
        self,
        *,
        sites: Sites,
        serving: ServingPlatform,
        deployments: DeploymentStore,
        endpoints: Endpoints,
        auditor: Auditor,
        clock: Clock,
    ) -> None:
        self._sites = sites
        self._serving = serving
        self._deployments = deployments
        self._endpoints = endpoints
        self._auditor = auditor
        self._clock = clock

    def own(self, stage: Stage, *, actor: Actor) -> Sequence[TornDown]:
        """The stage's own endpoint. Raises `InvalidInputError` for prod's, and as `Endpoints.delete`."""
        if stage is Stage.PROD:
            raise InvalidInputError(
                "Prod's own endpoint is not torn down: clients ask it.",
                hint="If it must go: python -m backend endpoints delete --stage prod",
            )
        return [TornDown(name=self._endpoints.delete(stage, actor=actor).name)]

    def suffix(self, stage: Stage, suffix: str, *, actor: Actor) -> Sequence[TornDown]:
        """The endpoint with this name suffix; empty when there is none."""
        self._auditor.require(
            actor,
            Promotion.needed_role(stage),
            f"tear down an endpoint of {stage.value}",
            action="tear down",
            subject=f"endpoint {suffix} of {stage.value}",
        )
        if Feature.NAMED_ENDPOINTS in self._sites.unsupported:
            return self._instead(stage, actor, lambda found: found == suffix)
        return self._all([one for one in self._sites.named(stage) if one.suffix == suffix], actor)

    def pull_request(self, stage: Stage, number: int, *, keep: str = "", actor: Actor) -> Sequence[TornDown]:
        """Every endpoint of the pull request but the one with the suffix `keep`; empty when there are none."""
        self._auditor.require(
            actor,
            Promotion.needed_role(stage),
            f"tear down endpoints of {stage.value}",
            action="tear down",
            subject=f"endpoints of pull request {number}",
        )
        if number < 1:
            raise InvalidInputError(f"There is no pull request {number}; expected 1 or more.")
        fits = pull_request_suffix(number)
        if Feature.NAMED_ENDPOINTS in self._sites.unsupported:
            return self._instead(stage, actor, lambda found: found != keep and fits.fullmatch(found) is not None)
        mine = [one for one in self._sites.named(stage) if fits.fullmatch(one.suffix) and one.suffix != keep]
        return self._all(mine, actor)

    def expired(self, stage: Stage, *, actor: Actor) -> Sequence[TornDown]:
        """Every endpoint beside the stage whose time has passed. The stages' own never expire."""
        self._auditor.require(
            actor,
            Promotion.needed_role(stage),
            f"tear down endpoints of {stage.value}",
            action="tear down",
            subject=f"expired endpoints of {stage.value}",
        )
        now = self._clock()
        return self._all([one for one in self._sites.named(stage) if one.expires <= now], actor)

    def _all(self, endpoints: Sequence[NamedEndpoint], actor: Actor) -> Sequence[TornDown]:
        """Each for itself: one that is being changed keeps none of the others."""
        gone = []
        for endpoint in endpoints:
            try:
                with self._auditor.audited(actor, "tear down", f"endpoint {endpoint.name}") as effect:
                    effect.before = {"created": endpoint.created.isoformat(), "expires": endpoint.expires.isoformat()}
                    self._sites.remove(endpoint.stage, endpoint.suffix, f"{actor.name}, tearing it down")
                gone.append(TornDown(name=endpoint.name))
            except DigitsError as error:
                gone.append(TornDown(name=endpoint.name, error=error))
        return gone

    def _instead(self, stage: Stage, actor: Actor, fits: Callable[[str], bool]) -> Sequence[TornDown]:
        """Where deliveries serve on the stage itself: that one, if the last one there was of these."""
        newest = next(iter(self._deployments.history(stage)), None)
        serves = self._serving.describe(stage).wanted is not None
        if newest is None or not serves or not fits(delivered_under(newest.id, stage)):
            return []
        return [TornDown(name=self._endpoints.delete(stage, actor=actor).name)]
