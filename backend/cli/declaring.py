"""declared, declare: what the repository says should be served, and the change that says otherwise."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from backend.assembly import Backend
from backend.cli.documents import Answer, served_document, table
from backend.domain.serving import Stage
from backend.services.declaring import Declared


def declared(backend: Backend, options: Namespace) -> Answer:
    """Exit code 1 when prod does not serve what is declared."""
    found = backend.declaring.look()
    rows = [
        {
            "stage": stage.value,
            "declared": f"v{found.version.version}" if found.version else found.config.model_uri,
            "served": f"v{endpoint.current.version}" if endpoint.current else "nothing",
            "": "in step" if not found.differences[stage] else "drifted",
        }
        for stage, endpoint in found.endpoints.items()
    ]
    return _document(found), table(rows, ""), 0 if found.in_step else 1


def declare(backend: Backend, options: Namespace) -> Answer:
    """Print the change as a patch; or make it here, or as a pull request."""
    number = options.version
    if options.propose:
        opened = backend.declaring.propose(number, actor=backend.actor)
        document = {"pull_request": opened.number, "url": opened.url, "new": opened.is_new}
        return document, f"{'opened' if opened.is_new else 'is open already'}: {opened.url}", 0
    if options.write:
        change = backend.declaring.write(number, actor=backend.actor)
    else:
        change = backend.declaring.change_to(number)
    document = {"file": change.name, "patch": change.patch, "changes": bool(change.patch), "written": options.write}
    return document, change.patch.rstrip("\n") or f"{change.name} declares version {number} already", 0


def _document(found: Declared) -> dict[str, object]:
    return {
        "file": found.name,
        "in_step": found.in_step,
        "config": asdict(found.config),
        "version": found.version.version if found.version else None,
        "stages": {
            stage.value: {
                "served": served_document(found.endpoints[stage].current),
                "differences": [asdict(difference) for difference in found.differences[stage]],
            }
            for stage in Stage
        },
    }
