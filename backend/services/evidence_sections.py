"""The evidence of a deployment as it is read, section by section; the page and the exported file both show these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from backend.domain.audit import changes
from backend.domain.evidence import Compared, Evidence
from backend.domain.gates import GateStatus
from backend.domain.predictions import DataKind
from backend.domain.promotion import Deployment, DeploymentKind, Outcome
from backend.domain.registry import ModelVersion
from backend.domain.serving import ServedModel

NONE: Final = "–"
_KINDS: Final = {
    DataKind.TEST: "Test set",
    DataKind.FREEHAND: "Drawings",
    DataKind.HARD_EXAMPLES: "Hard examples",
}
_VERBS: Final = {
    DeploymentKind.PROMOTE: "promotion",
    DeploymentKind.ROLLBACK: "rollback",
    DeploymentKind.RESTORE: "restoration",
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image by its 784 bytes (28 x 28, ink bright), and what is to be seen on it."""

    pixels: bytes
    told: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A title with one sentence, then facts by their labels, then a table, then images. Plain text, never markup."""

    title: str
    sentence: str = ""
    facts: Sequence[tuple[str, str]] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    images: Sequence[Picture] = ()


def headline(evidence: Evidence) -> str:
    """What it was, in a line."""
    deployment = evidence.deployment
    was = f"v{deployment.previous.version}" if deployment.previous else "nothing"
    return f"{deployment.stage.value}: {was} → v{deployment.version}, {deployment.outcome.value}"


def sections(evidence: Evidence) -> Sequence[Section]:
    """In the order in which somebody who doubts would ask."""
    deployment = evidence.deployment
    found = [_what(evidence), _gates(deployment), _models(evidence), _statistics(evidence)]
    found += [section for compared in evidence.comparisons for section in _changed(compared)]
    return [*found, _probe(evidence), _steps(deployment), _events(evidence)]


def _what(evidence: Evidence) -> Section:
    deployment, decision = evidence.deployment, evidence.decision
    if decision is None:
        decided = "nobody had decided about it"
    else:
        verb = "approved" if decision.verb == "approve" else "rejected"
        decided = f"{verb} by {decision.by}, {exact(decision.at)}" + (
            f": {decision.comment}" if decision.comment else ""
        )
    override = deployment.override
    took = f"{_seconds(deployment.started_at, deployment.ended_at)}" if deployment.ended_at else "not ended"
    facts = [
        ("What", f"{_VERBS[deployment.kind]} of version {deployment.version} to {deployment.stage.value}"),
        ("Outcome", deployment.outcome.value + (f": {deployment.error}" if deployment.error else "")),
        ("Served before", _model(deployment.previous)),
        ("To serve", f"version {deployment.version}, SHA-256 {deployment.sha256}"),
        ("Asked by", f"{deployment.requested_by}, {exact(deployment.started_at)}"),
        ("Took", took),
        *([("Time to restore", _restored(deployment))] if deployment.kind is not DeploymentKind.PROMOTE else []),
        (f"Version {deployment.version}", decided),
        ("Override", f"{override.by}: {override.reason} ({', '.join(override.gates)})" if override else "none"),
        ("Commit", deployment.origin.commit or "not known"),
        ("CI run", deployment.origin.run_url or "none"),
        ("Correlation id", deployment.correlation or NONE),
    ]
    return Section(title="What was done", facts=facts)


def _restored(deployment: Deployment) -> str:
    """What somebody whose production was wrong asks first."""
    if deployment.restored_in is None:
        return "nothing was restored"
    return f"{deployment.restored_in.total_seconds():.2f} s, from its beginning until v{deployment.version} answered"


def _gates(deployment: Deployment) -> Section:
    if not deployment.gates:
        asked = "No gate was asked: what had served well serves again."
        if deployment.kind is DeploymentKind.PROMOTE:
            asked = "No gate was recorded."
        return Section(title="Gates", sentence=asked)
    held = sum(gate.status is GateStatus.PASSED for gate in deployment.gates)
    against = sum(gate.status.blocks for gate in deployment.gates)
    return Section(
        title="Gates",
        sentence=f"{held} of {len(deployment.gates)} passed, {against} stood against it.",
        columns=("Gate", "Status", "Observed", "Threshold", "Reason"),
        rows=[
            (
                gate.name,
                gate.status.value,
                _value(gate.observed, gate.unit),
                _value(gate.threshold, gate.unit),
                gate.reason,
            )
            for gate in deployment.gates
        ],
    )


def _models(evidence: Evidence) -> Section:
    """The two versions beside each other, by what was measured when they were made."""
    found = [model for model in (evidence.previous, evidence.version) if model is not None]
    return Section(
        title="The models",
        sentence="" if found else "The registry knows neither of them.",
        columns=("", *(f"v{model.version}" for model in found)) if found else (),
        rows=[(label, *(read(model) for model in found)) for label, read in _MEASURES] if found else (),
    )


def _statistics(evidence: Evidence) -> Section:
    """Exact McNemar on each set of images that both versions answered."""
    title = "Statistics"
    if evidence.previous is None or evidence.version is None:
        return Section(title=title, sentence="There is nothing to compare with.")
    if evidence.version.sha256 == evidence.previous.sha256:
        return Section(title=title, sentence="The two are the same archive.")
    if not evidence.comparisons:
        return Section(title=title, sentence="The two were not evaluated on the same images.")
    names = f"v{evidence.version.version}", f"v{evidence.previous.version}"
    return Section(
        title=title,
        columns=("Images", "Verdict", "Fixed", "Broken", "p", "Difference, 95 % interval"),
        rows=[
            (
                f"{_KINDS[compared.kind]}: {compared.verdict.pair.n:,} of {compared.data_name}",
                compared.verdict.sentence(*names),
                f"{compared.verdict.pair.fixed:,}",
                f"{compared.verdict.pair.broken:,}",
                f"{compared.verdict.p_value:.4g}",
                f"{100 * compared.verdict.pair.difference:+.2f} points "
                f"({100 * compared.verdict.interval[0]:+.2f} to {100 * compared.verdict.interval[1]:+.2f})",
            )
            for compared in evidence.comparisons
        ],
    )


def _changed(compared: Compared) -> Sequence[Section]:
    """Which images changed; none where none did, or where their pixels were not kept."""
    pair = compared.verdict.pair
    return [
        Section(
            title=f"Images {verb}: {_KINDS[compared.kind].lower()}",
            sentence=f"{len(changed):,} of {count:,}, with the label, what was said before and what is now.",
            images=[
                Picture(pixels=image.pixels, told=f"{image.label}: {image.before} → {image.after}") for image in changed
            ],
        )
        for verb, count, changed in (("fixed", pair.fixed, compared.fixed), ("broken", pair.broken, compared.broken))
        if changed and all(image.pixels for image in changed)
    ]


def _accuracy(model: ModelVersion) -> str:
    evaluation = model.evaluation
    return f"{evaluation.accuracy:.2%} of {evaluation.n:,} images" if evaluation else NONE


def _drawings(model: ModelVersion) -> str:
    drawings = model.evaluation.freehand if model.evaluation else None
    return f"{drawings.accuracy:.2%} of {drawings.n:,} drawings" if drawings else NONE


def _test_set(model: ModelVersion) -> str:
    evaluation = model.evaluation
    return f"{evaluation.dataset} {evaluation.test_sha256[:12]}" if evaluation else NONE


def _latency(model: ModelVersion) -> str:
    speed = model.evaluation.performance if model.evaluation else None
    return f"p50 {speed.latency_p50_ms:.3g} ms, p99 {speed.latency_p99_ms:.3g} ms" if speed else NONE


_MEASURES: Final = (
    ("Accuracy", _accuracy),
    ("Test set", _test_set),
    ("Drawings", _drawings),
    ("Latency of one image, without a server", _latency),
    ("Archive", lambda model: f"{model.size_bytes / 1024:,.0f} KiB"),
    ("Trained by", lambda model: model.source_job or NONE),
)


def _probe(evidence: Evidence) -> Section:
    deployment = evidence.deployment
    probe = deployment.probe
    if probe is None:
        why = "Nothing served before and nothing after: there was nobody to ask."
        if deployment.outcome is Outcome.UNCHANGED:
            why = "Nothing was changed, so nobody had to go on asking."
        elif deployment.outcome is Outcome.INTERRUPTED:
            why = "The process that asked died with the deployment."
        return Section(title="Probe stream", sentence=why)
    kinds = ", ".join(f"{count} × {kind}" for kind, count in probe.failures.items())
    return Section(
        title="Probe stream",
        sentence=f"{probe.failed} of {probe.requests} requests failed{f' ({kinds})' if kinds else ''}. "
        f"Known digits, {probe.per_second:.0f} a second, from before the switch until after it; "
        f"answered by, in the order of asking: {probe.answered_by}.",
        columns=("", "Requests", "Failed", "p50", "p99"),
        rows=[
            (name, f"{span.requests}", f"{span.failed}", _ms(span.p50_ms), _ms(span.p99_ms))
            for name, span in probe.spans.items()
        ],
    )


def _steps(deployment: Deployment) -> Section:
    return Section(
        title="Steps",
        columns=("Step", "Status", "Took", "Observed"),
        rows=[
            (
                step.name,
                step.status.value,
                _seconds(step.started_at, step.ended_at) if step.started_at and step.ended_at else NONE,
                step.detail,
            )
            for step in deployment.steps
        ],
    )


def _events(evidence: Evidence) -> Section:
    return Section(
        title="Audit",
        sentence="" if evidence.events else "The audit knows of no event with its correlation id.",
        columns=("When", "Who", "What", "Outcome", "Changed") if evidence.events else (),
        rows=[
            (
                exact(event.at),
                event.actor,
                f"{event.action} {event.subject}",
                event.outcome,
                "; ".join(f"{name} {_text(old)} → {_text(new)}" for name, (old, new) in changes(event).items()),
            )
            for event in evidence.events
        ],
    )


def exact(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _model(model: ServedModel | None) -> str:
    return f"version {model.version}, SHA-256 {model.sha256}" if model else "nothing"


def _seconds(begun: datetime, ended: datetime) -> str:
    return f"{(ended - begun).total_seconds():.2f} s"


def _ms(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f} ms"


def _value(value: float | str | None, unit: str) -> str:
    if value is None:
        return NONE
    text = value if isinstance(value, str) else f"{value:.6g}"
    return f"{text} {unit}".strip()


def _text(value: object) -> str:
    return NONE if value is None or value == "" else str(value)
