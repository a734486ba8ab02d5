"""guard."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict

from backend.assembly import Backend
from backend.cli.documents import Answer, Document, served_document, table
from backend.cli.serving import deployed
from backend.domain.drift import told
from backend.domain.serving import Stage
from backend.errors import InvalidInputError, RefusedError
from backend.services.exports import event_document
from backend.services.guarding import Guarded


def guard(backend: Backend, options: Namespace) -> Answer:
    """Exit code 1 when a stage does not serve what it should: whoever runs this by the clock is told.

    Takes down first what has outlived its time, where no process of ours does that.
    """
    if options.action != "look":
        return _put_right(backend, options)
    try:
        for endpoint in backend.expiry.take_down_due(actor=backend.actor):
            print(f"{endpoint.name} is taken down: its time was over", file=sys.stderr)
    except RefusedError as error:  # who only looks, or comes during a deployment, still sees how it stands
        print(error.message, file=sys.stderr)
    looks = [backend.guard.look(stage) for stage in Stage if options.stage in (None, stage.value)]
    rows = [
        {
            "stage": look.endpoint.stage.value,
            "well": "yes" if look.is_well else "NO",
            "status": look.endpoint.status.value,
            "wanted": look.endpoint.wanted.version if look.endpoint.wanted else "",
            "served": look.endpoint.served.version if look.endpoint.served else "",
            "differences": told(look.endpoint.drift) or look.endpoint.detail,
        }
        for look in looks
    ]
    return [_document(look) for look in looks], table(rows, ""), 0 if all(look.is_well for look in looks) else 1


def _put_right(backend: Backend, options: Namespace) -> Answer:
    if options.stage is None:
        raise InvalidInputError(f"`guard {options.action}` needs --stage.", hint="--stage staging or --stage prod")
    stage, actor = Stage(options.stage), backend.actor
    if options.action == "restore":
        done = backend.guard.restore(stage, actor=actor, expected=options.expected, deployment_id=options.deployment)
    else:
        done = backend.guard.accept(
            stage,
            actor=actor,
            expected=options.expected,
            deployment_id=options.deployment,
            override=options.override,
        )
    return deployed(backend, done)


def _document(look: Guarded) -> Document:
    endpoint = look.endpoint
    return {
        "stage": endpoint.stage.value,
        "well": look.is_well,
        "status": endpoint.status.value,
        "wanted": served_document(endpoint.wanted),
        "served": served_document(endpoint.served),
        "drift": [asdict(difference) for difference in endpoint.drift],
        "wanted_by": look.wanted_by.id if look.wanted_by else None,
        "served_by": look.served_by.id if look.served_by else None,
        "noticed": event_document(look.noticed) if look.noticed else None,
        "detail": endpoint.detail,
    }
