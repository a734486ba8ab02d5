"""evaluate, compare."""

from __future__ import annotations

import sys
from argparse import Namespace

from backend.assembly import Backend
from backend.cli.documents import Answer, Document, neutral, version_document
from backend.domain.comparison import Comparison, Contender
from backend.domain.predictions import DataKind
from backend.domain.registry import ModelVersion
from backend.domain.statistics import Verdict


def evaluate(backend: Backend, options: Namespace) -> Answer:
    """One version gives its document, several a list of them."""
    versions = [
        backend.evaluating.evaluate(
            number, actor=backend.actor, say=tell, data=options.data, hard=options.hard_examples
        )
        for number in options.version
    ]
    documents = [version_document(version) for version in versions]
    return documents[0] if len(documents) == 1 else documents, "\n".join(map(measured, versions)), 0


def compare(backend: Backend, options: Namespace) -> Answer:
    """Two versions give one document about the second, more a list."""
    found = backend.comparing.require(
        options.base, options.version, kind=DataKind(options.on), margin=options.margin / 100
    )
    documents, lines = [], []
    for entry in found.others:
        if entry.verdict is not None:
            documents.append(_document(found, entry, entry.verdict))
            lines.append(_line(found, entry, entry.verdict))
    if found.data is not None:
        lines.append(f"on {found.data.n:,} images of {found.data.data_name} ({found.data.data_sha256[:12]})")
    return documents[0] if len(documents) == 1 else documents, "\n".join(lines), 0


def tell(text: str) -> None:
    """Progress, on standard error."""
    print(neutral(text), file=sys.stderr, flush=True)


def measured(version: ModelVersion) -> str:
    found = version.evaluation
    if found is None:
        return f"version {version.version}: not evaluated"
    drawings = f", {found.freehand.accuracy:.4f} of {found.freehand.n:,} drawings" if found.freehand else ""
    return f"version {version.version}: {found.accuracy:.4f} of {found.n:,} images of {found.dataset}{drawings}"


def _document(found: Comparison, entry: Contender, verdict: Verdict) -> Document:
    alike = verdict.equivalence
    return {
        "base": found.base.version.version,
        "version": entry.version.version,
        "base_accuracy": found.base.predictions.accuracy if found.base.predictions else None,
        "accuracy": entry.predictions.accuracy if entry.predictions else None,
        "difference": verdict.pair.difference,
        "ci": list(verdict.interval),
        "fixed": verdict.pair.fixed,
        "broken": verdict.pair.broken,
        "p_value": verdict.p_value,
        "adjusted_p": verdict.adjusted_p,
        "more_images": verdict.more_images,
        "equivalence": {"margin": alike.margin, "p_value": alike.p_value, "as_good": alike.as_good(verdict.alpha)},
        "verdict": verdict.finding.value,
        "sentence": verdict.sentence(entry.name, found.base.name),
        "data": found.data
        and {
            "kind": found.kind.value,
            "name": found.data.data_name,
            "sha256": found.data.data_sha256,
            "n": found.data.n,
        },
    }


def _line(found: Comparison, entry: Contender, verdict: Verdict) -> str:
    low, high = (100 * bound for bound in verdict.interval)
    interval = f"{100 * verdict.pair.difference:+.2f} points, 95 % between {low:+.2f} and {high:+.2f}"
    return f"{verdict.sentence(entry.name, found.base.name)}\n  {interval}"
