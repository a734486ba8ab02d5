"""What the repository declares, held against what the stages serve, and the change that declares another version."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from backend.domain.drift import Difference
from backend.domain.identity import Actor, Role
from backend.domain.model_config import VERSION_URI, ModelConfig
from backend.domain.registry import ModelVersion
from backend.domain.serving import Endpoint, Stage
from backend.errors import NotFoundError, WrongStateError
from backend.ports.model_file import ModelFile
from backend.ports.pull_requests import Proposal, PullRequest, PullRequests
from backend.ports.registry import ModelRegistry
from backend.ports.serving import ServingPlatform
from backend.services.auditing import Auditor

PROPOSING_ROLE = Role.OPERATOR
MODEL: Final = "model"
"""What a `Difference` is about when something else is served; any other is a key of the file."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The file beside what is served. `version` is None when the registry has none that it could mean.

    `differences` are empty for a stage that serves what is declared.
    """

    name: str
    config: ModelConfig
    version: ModelVersion | None
    endpoints: Mapping[Stage, Endpoint]
    differences: Mapping[Stage, Sequence[Difference]]

    @property
    def in_step(self) -> bool:
        """Prod serves what is declared: staging is for trying what may be declared next."""
        return not self.differences[Stage.PROD]


@dataclass(frozen=True, kw_only=True)
class Change:
    """The file's text before and after, and the difference as a patch that `git apply` takes; empty for none."""

    name: str
    before: str
    after: str

    @property
    def patch(self) -> str:
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"a/{self.name}",
            f"b/{self.name}",
        )
        return "".join(lines)


class Declaring:
    def __init__(
        self,
        file: ModelFile,
        registry: ModelRegistry,
        serving: ServingPlatform,
        pull_requests: PullRequests,
        auditor: Auditor,
        *,
        can_propose: bool,
    ) -> None:
        self._file = file
        self._registry = registry
        self._serving = serving
        self._pull_requests = pull_requests
        self._auditor = auditor
        self.can_propose = can_propose

    def look(self) -> Declared:
        """Raises `NotFoundError` without the file, `InvalidInputError` that names the line where it is malformed."""
        config = self._file.parse(self._file.read())
        version = self._version(config)
        endpoints = {stage: self._serving.describe(stage) for stage in Stage}
        return Declared(
            name=self._file.name,
            config=config,
            version=version,
            endpoints=endpoints,
            differences={stage: _differences(config, version, endpoint) for stage, endpoint in endpoints.items()},
        )

    def change_to(self, number: int) -> Change:
        """What has to change in the file for it to declare the version. Raises as `look`, and `NotFoundError`."""
        version = self._registry.get(number)
        text = self._file.read()
        return Change(name=self._file.name, before=text, after=self._declare(text, version))

    def write(self, number: int, *, actor: Actor) -> Change:
        """Make that change in the file here; nothing is deployed. Raises as `change_to`."""
        self._auditor.require(
            actor, PROPOSING_ROLE, f"declare version {number}", action="declare", subject=f"version {number}"
        )
        with self._auditor.audited(actor, "declare", f"version {number}") as effect:
            change = self.change_to(number)
            effect.after = {"file": change.name, "changed": change.before != change.after}
            if change.before != change.after:
                self._file.write(change.after)
        return change

    def propose(self, number: int, *, actor: Actor) -> PullRequest:
        """Open a pull request that declares the version, or find the one that is open.

        Raises `PermissionDeniedError` below operator, `WrongStateError` when it is declared already, `SetupError`
        where no token is configured, and as `PullRequests.propose`.
        """
        self._auditor.require(
            actor, PROPOSING_ROLE, f"propose version {number}", action="propose", subject=f"version {number}"
        )
        with self._auditor.audited(actor, "propose", f"version {number}") as effect:
            change = self.change_to(number)
            if change.before == change.after:
                raise WrongStateError(f"'{change.name}' declares version {number} already.")
            version = self._registry.get(number)
            opened = self._pull_requests.propose(
                Proposal(
                    path=self._file.name,
                    change=lambda text: self._declare(text, version),
                    branch=f"declare-v{number}-{hashlib.sha256(change.before.encode()).hexdigest()[:8]}",
                    title=f"Serve version {number}",
                    body=_told(version, actor),
                )
            )
            effect.after = {"pull_request": opened.number, "url": opened.url, "new": opened.is_new}
        return opened

    def _declare(self, text: str, version: ModelVersion) -> str:
        """The same text when it means that version already, whichever way it names it."""
        meant = self._version(self._file.parse(text))
        if meant is not None and meant.version == version.version:
            return text
        return self._file.changed(text, {"model_uri": f"{VERSION_URI}{version.version}", "sha256": version.sha256})

    def _version(self, config: ModelConfig) -> ModelVersion | None:
        if config.version is not None:
            with suppress(NotFoundError):
                found = self._registry.get(config.version)
                return found if config.sha256 in ("", found.sha256) else None
            return None
        same = [one for one in self._registry.list_versions() if one.sha256 == config.sha256]
        return same[0] if same else None


def _differences(config: ModelConfig, version: ModelVersion | None, endpoint: Endpoint) -> Sequence[Difference]:
    served = endpoint.current
    wanted = f"v{version.version}" if version else config.model_uri
    now = f"v{served.version}" if served else "nothing"
    if served is None or (version is None and served.sha256 != config.sha256):
        return [Difference(what=MODEL, wanted=wanted, served=now)]
    if version is not None and served.sha256 != version.sha256:
        return [Difference(what=MODEL, wanted=wanted, served=now)]
    return _hosted_otherwise(config, endpoint) if endpoint.stage is Stage.PROD else []


def _hosted_otherwise(config: ModelConfig, endpoint: Endpoint) -> Sequence[Difference]:
    """What prod runs on otherwise than declared; nothing where the platform has no choice. `default` is any image."""
    declared = {"instance_type": config.instance_type, "instance_count": str(config.instance_count)}
    if config.image:
        declared["triton_image_uri"] = config.image
    return [
        Difference(what=key, wanted=wanted, served=endpoint.hosted[key])
        for key, wanted in declared.items()
        if endpoint.hosted.get(key, wanted) != wanted
    ]


def _told(version: ModelVersion, actor: Actor) -> str:
    """The pull request's own words; the evidence comes as a comment once it has been tried."""
    evaluation = version.evaluation
    lines = [
        f"Proposed by {actor.name} on the dashboard.",
        "",
        f"- archive: SHA-256 `{version.sha256}`",
        f"- approval: {version.approval.value}",
        f"- accuracy: {evaluation.accuracy:.4f} on {evaluation.n:,} test images" if evaluation else "- not evaluated",
    ]
    return "\n".join(lines)
