"""A delivery as Markdown: the comment on its pull request, and the job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from backend.domain.delivery import Delivered
from backend.domain.gates import GateResult, GateStatus, blocking
from backend.domain.origin import Origin
from backend.domain.registry import ModelVersion
from backend.domain.serving import ServedModel, Stage
from backend.errors import RefusedError

LONGEST: Final = 60_000
"""Characters; GitHub takes 65,536."""
_MARKER: Final = "<!-- digit-ops: {} -->"
_SIGNS: Final = {
    GateStatus.PASSED: "✅",
    GateStatus.FAILED: "❌",
    GateStatus.MISSING_EVIDENCE: "❔",
    GateStatus.NOT_APPLICABLE: "➖",
}
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@])")


def marker(stage: Stage) -> str:
    """The first line of the comment, by which the next one finds it. Nobody sees it."""
    return _MARKER.format(stage.value)


def report(delivered: Delivered, origin: Origin, now: datetime) -> str:
    """Everything that was found out, the verdict first. What came from outside is shown as it is, never as markup."""
    parts = [marker(delivered.stage), f"### {_verdict(delivered)}", *_why(delivered)]
    if delivered.changes:
        rows = [(change.what, change.served, change.wanted) for change in delivered.changes]
        parts += ["**What changed in the model configuration**", _table(("field", "before", "now"), rows)]
    if delivered.hosting:
        rows = [(one.what, one.served, one.wanted) for one in delivered.hosting]
        parts += ["**What runs otherwise than declared**", _table(("", "now", "declared"), rows)]
    parts += _facts(delivered)
    if delivered.gates:
        parts += [f"**Gates of {delivered.stage.value}**", _gates(delivered.gates)]
    if delivered.ahead:
        parts += ["**Gates of prod, as they would be asked now**", _gates(delivered.ahead)]
    parts += [f"> {_plain(sentence)}" for sentence in delivered.trouble]
    parts.append(_foot(delivered, origin, now))
    text = "\n\n".join(parts)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n\n… cut off: the job's log has the rest."


def _verdict(delivered: Delivered) -> str:
    stage, version = delivered.stage.value, delivered.version
    name = f"version {version.version}" if version else "the declared model"
    if delivered.skipped:
        return f"Nothing to deploy to {stage}"
    if delivered.taken_back is not None:
        return f"❌ {stage} was taken back from {name}"
    if delivered.error is not None and delivered.ahead and not _is_bad(delivered):
        return f"❌ {name} serves on staging, and prod would refuse it"
    if delivered.error is not None:
        refused = isinstance(delivered.error, RefusedError)
        return f"❌ {stage} {'refused' if refused else 'does not serve'} {name}"
    if delivered.deployment is None:
        return _planned(delivered, name)
    return f"✅ {stage} serves {name}"


def _planned(delivered: Delivered, name: str) -> str:
    stage = delivered.stage.value
    if delivered.plan is not None and delivered.plan.changes_nothing:
        return f"{stage} serves {name} already" + (", hosted otherwise" if delivered.hosting else "")
    sign = "❌" if blocking(delivered.gates) else "☑️"
    return f"{sign} Plan for {stage}: {_served(delivered.plan.serving if delivered.plan else None)} → {name}"


def _is_bad(delivered: Delivered) -> bool:
    return delivered.look is not None and not isinstance(delivered.error, RefusedError)


def _why(delivered: Delivered) -> list[str]:
    if delivered.skipped:
        return ["No value that matters differs in the model configuration: only comments, order or descriptions do."]
    if delivered.error is None:
        return []
    told = [_plain(delivered.error.message)]
    if delivered.error.hint:
        told.append(f"Next: {_plain(delivered.error.hint)}")
    return told


def _facts(delivered: Delivered) -> list[str]:
    version, deployment, look = delivered.version, delivered.deployment, delivered.look
    rows = []
    if version is not None:
        rows += [("archive", f"SHA-256 {version.sha256}"), ("approval", _approval(version))]
        if version.evaluation is not None:
            found = version.evaluation
            rows.append(("accuracy", f"{found.accuracy:.2%} of {found.n:,} test images ({found.test_sha256[:12]})"))
    if deployment is not None:
        was = _served(deployment.previous)
        rows.append(("endpoint", delivered.endpoint))
        rows.append(("deployment", f"{deployment.id}: {was} → v{deployment.version}, {deployment.outcome.value}"))
        if deployment.probe is not None:
            rows.append(("clients", f"{deployment.probe.failed} of {deployment.probe.requests} requests failed"))
    if look is not None:
        rows.append(
            ("smoke test", f"{look.right} of {look.digits} known digits read right, {look.failed} without answer")
        )
        if look.p50_ms is not None and look.p99_ms is not None:
            rows.append(("latency", f"half within {look.p50_ms:.1f} ms, 99 of 100 within {look.p99_ms:.1f} ms"))
    if delivered.taken_back is not None:
        back = delivered.taken_back
        rows.append(("rollback", f"{back.id}: v{back.version} again, {back.outcome.value}"))
    return [_table(("", ""), rows)] if rows else []


def _approval(version: ModelVersion) -> str:
    by = f" by {version.approval_by}" if version.approval_by else ""
    why = f": {version.approval_comment}" if version.approval_comment else ""
    return f"{version.approval.value}{by}{why}"


def _gates(gates: Sequence[GateResult]) -> str:
    rows = [
        (
            f"{_SIGNS[gate.status]} {gate.name}",
            _value(gate.observed, gate.unit),
            _value(gate.threshold, gate.unit),
            gate.reason,
        )
        for gate in gates
    ]
    return _table(("gate", "observed", "threshold", "why"), rows)


def _value(value: float | str | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:g} {unit}".strip() if isinstance(value, float | int) else value


def _served(served: ServedModel | None) -> str:
    return f"v{served.version}" if served else "nothing"


def _foot(delivered: Delivered, origin: Origin, now: datetime) -> str:
    commit = f"commit {origin.commit[:7]}, " if origin.commit else ""
    run = f", [the run]({origin.run_url})" if origin.run_url else ""
    return f"<sub>{commit}{now:%Y-%m-%d %H:%M} UTC{run}</sub>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line: no link, no mention, no HTML, no new column."""
    line = " ".join(text.split())
    return _MARKUP.sub(r"\\\1", line).replace("\\@", "@\u200b").replace("://", ":\u200b//")
