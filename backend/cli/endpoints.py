"""endpoints (list, restart, delete, scale, alarms), loadtest."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict
from functools import partial

from backend.assembly import Backend
from backend.cli.documents import Answer, endpoint_document, load_document, table
from backend.domain.drift import told
from backend.domain.loadtest import LoadPlan
from backend.domain.scaling import Autoscaling
from backend.domain.serving import Stage
from backend.errors import InvalidInputError


def list_endpoints(backend: Backend, options: Namespace) -> Answer:
    described = [backend.serving.describe(stage) for stage in Stage]
    rows = [
        {
            "stage": endpoint.stage.value,
            "status": endpoint.status.value,
            "wanted": endpoint.wanted.version if endpoint.wanted else "",
            "served": endpoint.served.version if endpoint.served else "",
            "url": endpoint.url,
            "detail": told(endpoint.drift) or endpoint.detail or endpoint.external,
        }
        for endpoint in described
    ]
    return [endpoint_document(endpoint) for endpoint in described], table(rows, ""), 0


def restart(backend: Backend, options: Namespace) -> Answer:
    backend.endpoints.restart(Stage(options.stage), actor=backend.actor)
    endpoint = backend.serving.describe(Stage(options.stage))
    return endpoint_document(endpoint), f"{endpoint.name}: {endpoint.status.value}", 0


def delete(backend: Backend, options: Namespace) -> Answer:
    endpoint = backend.endpoints.delete(Stage(options.stage), actor=backend.actor)
    return endpoint_document(endpoint), f"{endpoint.name}: {endpoint.status.value}", 0


def scale(backend: Backend, options: Namespace) -> Answer:
    """Without anything to change, how it stands."""
    stage = Stage(options.stage)
    automatic = (options.minimum, options.maximum, options.per_minute)
    wanted = [options.instances is not None, any(value is not None for value in automatic), options.by_hand]
    if sum(wanted) > 1:
        raise InvalidInputError(
            "--instances, --by-hand, and --min with --max and --per-minute exclude each other.", hint="Choose one."
        )
    if options.instances is not None:
        result = backend.fleets.scale(stage, options.instances, actor=backend.actor)
    elif options.by_hand:
        result = backend.fleets.scale_by_hand(stage, actor=backend.actor)
    elif wanted[1]:
        if None in automatic:
            raise InvalidInputError("Automatic scaling needs --min, --max and --per-minute.")
        rule = Autoscaling(minimum=options.minimum, maximum=options.maximum, per_minute=options.per_minute)
        result = backend.fleets.scale_automatically(stage, rule, actor=backend.actor)
    else:
        result = backend.scales.read(stage)
    rule_now = result.autoscaling
    document = {
        "stage": stage.value,
        "instances": result.instances,
        "desired": result.desired,
        "automatic": None if rule_now is None else asdict(rule_now),
    }
    how = f", {rule_now.minimum} to {rule_now.maximum} by load" if rule_now else ""
    return document, f"{stage.endpoint_name}: {result.instances} of {result.desired} instances{how}", 0


def alarms(backend: Backend, options: Namespace) -> Answer:
    stage = Stage(options.stage)
    names = backend.fleets.watch(stage, actor=backend.actor)
    return {"stage": stage.value, "alarms": list(names)}, "\n".join(names), 0


def load_test(backend: Backend, options: Namespace) -> Answer:
    """Exit code 1 when a request failed: a script then notices."""
    plan = LoadPlan(concurrency=options.concurrency, seconds=options.seconds)
    result = backend.endpoints.load_test(Stage(options.stage), plan, actor=backend.actor, progress=partial(_tell, plan))
    document = load_document(Stage(options.stage), plan, result)
    row = {name: document[name] for name in ("requests", "failed", "per_second", "p50_ms", "p99_ms")}
    lines = [table([row], ""), *(f"{count} x {kind}" for kind, count in result.failures.items())]
    return document, "\n".join(lines), 1 if result.failed else 0


def _tell(plan: LoadPlan, seconds: float, requests: int, failed: int) -> None:
    print(f"{seconds:.0f} of {plan.seconds} s: {requests:,} requests, {failed:,} failed", file=sys.stderr, flush=True)
