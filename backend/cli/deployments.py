"""deployments."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC

from backend.assembly import Backend
from backend.cli.documents import Answer, deployment_document, evidence_document, served_document, table, time_text
from backend.cli.options import moment
from backend.domain.serving import Stage
from backend.errors import InvalidInputError
from backend.services.evidence_html import evidence_html


def list_deployments(backend: Backend, options: Namespace) -> Answer:
    history = backend.promotion.history(Stage(options.stage) if options.stage else None)
    rows = [
        {
            "deployment": deployment.id,
            "outcome": deployment.outcome.value,
            "kind": deployment.kind.value,
            "version": deployment.version,
            "by": deployment.requested_by,
            "started": f"{deployment.started_at:%Y-%m-%d %H:%M:%S}Z",
            "failed requests": "" if deployment.probe is None else deployment.probe.failed,
        }
        for deployment in history
    ]
    return [deployment_document(deployment) for deployment in history], table(rows, "No deployments yet."), 0


def show(backend: Backend, options: Namespace) -> Answer:
    evidence = backend.evidence.of(options.deployment)
    document = evidence_document(evidence)
    if options.html is not None:
        try:
            options.html.write_text(evidence_html(evidence), encoding="utf-8")
        except OSError as error:
            raise InvalidInputError(f"'{options.html}' cannot be written: {error.strerror}.") from error
    deployment = evidence.deployment
    lines = [f"{deployment.id}: {deployment.outcome.value}, by {deployment.requested_by}"]
    lines += [f"  {step.name}: {step.status.value} {step.detail}".rstrip() for step in deployment.steps]
    if deployment.probe is not None:
        lines.append(f"  {deployment.probe.failed} of {deployment.probe.requests} probe requests failed")
    if options.html is not None:
        lines.append(f"evidence written to {options.html}")
    return document, "\n".join(lines), 0


def at(backend: Backend, options: Namespace) -> Answer:
    when = moment(options.moment, "TIME")
    if when is None:
        raise InvalidInputError("TIME is empty; expected a time like 2026-11-23T14:00.")
    era, drifted = backend.evidence.at(Stage(options.stage), when)
    document = {
        "stage": options.stage,
        "at": time_text(when),
        "served": served_document(era.model) if era else None,
        "since": time_text(era.since) if era else None,
        "until": time_text(era.until) if era else None,
        "by": era.by if era else None,
        "deployment": (era.deployment or None) if era else None,
        "drift": [span.differences for span in drifted],
    }
    said = f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if era is None:
        text = f"{options.stage} served nothing at {said}: nothing had been deployed."
    elif era.model is None:
        text = f"{options.stage} served nothing at {said}: {era.by} deleted it at {time_text(era.since)}."
    else:
        text = f"{options.stage} served version {era.model.version} ({era.model.sha256[:12]}) at {said}: "
        text += f"{era.by}, {era.deployment}, since {time_text(era.since)}"
    return (
        document,
        "\n".join([text, *(f"But something else answered then: {span.differences}" for span in drifted)]),
        0,
    )
