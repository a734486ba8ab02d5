"""endpoints, loadtest."""

from __future__ import annotations

import sys
from argparse import Namespace

from backend.bootstrap import Backend
from backend.cli.documents import Answer, endpoint_document, load_document, table
from backend.domain.drift import told
from backend.domain.loadtest import LoadPlan
from backend.domain.serving import Stage


def list_endpoints(backend: Backend, options: Namespace) -> Answer:
    described = [backend.serving.describe(stage) for stage in Stage]
    rows = [
        {
            "stage": endpoint.stage.value,
            "status": endpoint.status.value,
            "wanted": endpoint.wanted.version if endpoint.wanted else "",
            "served": endpoint.served.version if endpoint.served else "",
            "url": endpoint.url,
            "detail": told(endpoint.drift) or endpoint.detail,
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


def load_test(backend: Backend, options: Namespace) -> Answer:
    """Exit code 1 when a request failed: a script then notices."""
    plan = LoadPlan(concurrency=options.concurrency, seconds=options.seconds)
    result = backend.endpoints.load_test(Stage(options.stage), plan, actor=backend.actor, progress=_tell)
    document = load_document(Stage(options.stage), plan, result)
    row = {name: document[name] for name in ("requests", "failed", "per_second", "p50_ms", "p99_ms")}
    lines = [table([row], ""), *(f"{count} x {kind}" for kind, count in result.failures.items())]
    return document, "\n".join(lines), 1 if result.failed else 0


def _tell(seconds: float, requests: int, failed: int) -> None:
    print(f"{seconds:.0f} s: {requests:,} requests, {failed:,} failed", file=sys.stderr, flush=True)
