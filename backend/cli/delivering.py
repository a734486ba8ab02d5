"""deploy, teardown, comment: what continuous integration calls."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from backend.adapters.local.git_file import text_at
from backend.adapters.local.model_file import parse_model_config, read_model_file
from backend.assembly import Backend
from backend.cli.comparing import tell
from backend.cli.documents import (
    Answer,
    Document,
    deployment_document,
    gate_document,
    served_document,
    table,
    version_document,
)
from backend.cli.plans import gates_table, plan_text
from backend.domain.delivery import Delivered, read_tags
from backend.domain.drift import Difference
from backend.domain.gates import StagingLook
from backend.domain.model_config import ModelConfig, changed
from backend.domain.promotion import Outcome
from backend.domain.serving import Stage
from backend.errors import InvalidInputError, NotFoundError
from backend.services.delivery import Order
from backend.services.delivery_report import marker, report
from backend.services.promotion import NOTHING

SKIPPED = "Skipped"
PLANNED = "Planned"


def deploy(backend: Backend, options: Namespace) -> Answer:
    """Evidence and outputs are written whatever came of it; a bad end is raised afterwards."""
    path: Path = options.config or backend.settings.declared
    config = parse_model_config(read_model_file(path), str(path))
    order = Order(
        config=config,
        folder=path.resolve().parent,
        stage=Stage(options.stage),
        suffix=options.name_suffix,
        tags=read_tags(options.tag),
        changes=_changes(path.resolve(), config, options.changed_since),
        expected=options.expected,
    )
    if options.plan:
        delivered = backend.delivery.plan(order)
    else:
        delivered = backend.delivery.deliver(order, actor=backend.actor, say=tell)
    if options.evidence is not None:
        _write(options.evidence, report(delivered, backend.origin(), datetime.now(UTC)) + "\n")
    if options.outputs is not None:
        with _opened(options.outputs, "a") as file:
            file.write("".join(f"{name}={value}\n" for name, value in _outputs(delivered).items()))
    if delivered.error is not None:
        raise delivered.error
    served = None if delivered.skipped else backend.delivery.served(order)
    return {**_document(delivered), "served": served_document(served)}, _text(delivered), 0


def teardown(backend: Backend, options: Namespace) -> Answer:
    """Exit code 1 when something could not be torn down; the rest of it is."""
    stage, actor = Stage(options.stage), backend.actor
    if options.expired:
        gone = backend.teardown.expired(stage, actor=actor)
    elif options.pull_request is not None:
        gone = backend.teardown.pull_request(stage, options.pull_request, keep=options.keep, actor=actor)
    elif options.name_suffix:
        gone = backend.teardown.suffix(stage, options.name_suffix, actor=actor)
    else:
        gone = backend.teardown.own(stage, actor=actor)
    documents = [
        {"name": one.name, "deleted": one.error is None, "error": one.error.message if one.error else ""}
        for one in gone
    ]
    failed = [one for one in gone if one.error is not None]
    return documents, table(documents, "Nothing to tear down."), 1 if failed else 0


def comment(backend: Backend, options: Namespace) -> Answer:
    """Write a delivery's evidence on its pull request, over the one that is there."""
    try:
        body = options.file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"No file '{options.file}'.", hint="`deploy --evidence FILE` writes it.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"'{options.file}' cannot be read: {error}.") from error
    ours = next((marker(stage) for stage in Stage if body.startswith(marker(stage))), None)
    if ours is None:
        raise InvalidInputError(f"'{options.file}' is no evidence: its first line is not that of `deploy --evidence`.")
    url = backend.commenting.comment(options.pull_request, marker=ours, body=body, actor=backend.actor)
    return {"url": url}, url, 0


def _changes(path: Path, config: ModelConfig, since: str) -> tuple[Difference, ...] | None:
    """What changed since the commit; None where nobody asked, and where it cannot be told: then it is deployed."""
    if not since.strip("0"):  # GitHub's way to say that there was nothing before a push
        return None
    before = text_at(path, since)
    if before is None:
        return None
    try:
        return changed(parse_model_config(before, f"{path.name} at {since[:12]}"), config)
    except InvalidInputError as error:
        tell(f"It cannot be told what changed: {error.message}")
        return None


def _outputs(delivered: Delivered) -> dict[str, str]:
    """For later steps of a workflow: whether there is something to do, what is served now, what should be."""
    plan = delivered.plan
    does = not delivered.skipped and not (plan is not None and plan.changes_nothing and not delivered.hosting)
    serving = plan.serving.sha256 if plan is not None and plan.serving is not None else NOTHING
    return {
        "deploys": str(does).lower(),
        "serving": serving,
        "version": str(delivered.version.version) if delivered.version else "",
        "sha256": delivered.version.sha256 if delivered.version else "",
        "endpoint": delivered.endpoint,
    }


def _document(delivered: Delivered) -> Document:
    deployment, plan = delivered.deployment, delivered.plan
    outcome = SKIPPED if delivered.skipped else PLANNED
    told: Document = {"deployment": None, "outcome": outcome, "failed_requests": None}
    if deployment is not None:
        told = deployment_document(deployment)
    return {
        **told,
        "stage": delivered.stage.value,
        "endpoint": delivered.endpoint,
        "changes": None if delivered.changes is None else [asdict(change) for change in delivered.changes],
        "model": None if delivered.version is None else version_document(delivered.version),
        "plan": None if plan is None else {"serving": served_document(plan.serving), "nothing": plan.changes_nothing},
        "hosting": [asdict(difference) for difference in delivered.hosting],
        "gates": [gate_document(gate) for gate in delivered.gates],
        "gates_of_prod": [gate_document(gate) for gate in delivered.ahead],
        "smoke_test": None if delivered.look is None else _look_document(delivered.look),
        "trouble": list(delivered.trouble),
    }


def _look_document(look: StagingLook) -> Document:
    return {
        "digits": look.digits,
        "right": look.right,
        "failed": look.failed,
        "p50_ms": look.p50_ms,
        "p99_ms": look.p99_ms,
    }


def _text(delivered: Delivered) -> str:
    if delivered.skipped:
        return "Nothing that matters has changed in the model configuration: nothing is deployed."
    lines = [gates_table(delivered.gates)] if delivered.gates else []
    if delivered.deployment is None:
        return "\n".join([plan_text(delivered.plan), *lines]) if delivered.plan else ""
    if delivered.ahead:
        lines += ["what prod's gates say now:", gates_table(delivered.ahead)]
    if delivered.look is not None:
        lines.append(f"smoke test: {delivered.look.right} of {delivered.look.digits} known digits read right")
    unchanged = " (it did already)" if delivered.deployment.outcome is Outcome.UNCHANGED else ""
    lines.append(f"{delivered.endpoint} serves version {delivered.deployment.version}{unchanged}")
    return "\n".join([*lines, *delivered.trouble])


def _write(path: Path, text: str) -> None:
    with _opened(path, "w") as file:
        file.write(text)


def _opened(path: Path, mode: str) -> IO[str]:
    try:
        return path.open(mode, encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"'{path}' cannot be written: {error.strerror}.") from error
