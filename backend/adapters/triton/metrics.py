"""Triton's /metrics page, read strictly: a page that is not what Triton 2.51 writes is refused, never guessed at.

The format is Prometheus' text exposition format; what the families mean is in Triton's user guide, "Metrics".
"""

from __future__ import annotations

import http.client
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from backend.domain.serving import TRITON_MODEL, EndpointMetrics
from backend.errors import EndpointUnavailableError

_LARGEST_PAGE: Final = 2**20
_LINE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?")
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')

Sample = tuple[str, frozenset[tuple[str, str]]]
"""Name and labels."""


def read_page(address: str, *, timeout_s: float) -> str:
    """The metrics page of the server whose metrics port is `address` (`host:port`).

    Raises `EndpointUnavailableError`.
    """
    connection = http.client.HTTPConnection(address, timeout=timeout_s)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise EndpointUnavailableError(f"Triton's metrics at {address} answered {response.status}.")
        return response.read(_LARGEST_PAGE).decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise EndpointUnavailableError(f"Triton's metrics at {address} cannot be reached: {error}.") from error
    finally:
        connection.close()


def parse_samples(page: str) -> Mapping[Sample, float]:
    """Every sample of a page. Raises `EndpointUnavailableError` for a line that is none."""
    samples: dict[Sample, float] = {}
    for line in page.splitlines():
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        value = _number(match[3]) if match else None
        labels = _labels(match[2] or "") if match else None
        if match is None or labels is None or value is None:
            raise EndpointUnavailableError(f"What answers has no metrics of Triton's: '{line[:80]}'.")
        samples[match[1], labels] = value
    return samples


def parse_metrics(page: str, *, version: int, at: datetime) -> EndpointMetrics:
    """What the page says about `version` of the model.

    Raises `EndpointUnavailableError` when it says nothing about it (it is not loaded) or lacks a family.
    """
    samples = parse_samples(page)
    mine = {"model": TRITON_MODEL, "version": str(version)}

    def read(name: str, **labels: str) -> float:
        value = samples.get((name, frozenset(labels.items())), math.nan)
        if not math.isfinite(value):
            asked = f"{name} of version {version}" if labels else name
            raise EndpointUnavailableError(f"Triton's metrics do not have {asked}.")
        return value

    def latency(quantile: str) -> float | None:
        # Absent before the first request; not a number when none came within the window.
        sample = "nv_inference_request_summary_us", frozenset({**mine, "quantile": quantile}.items())
        value = samples.get(sample, math.nan)
        return None if math.isnan(value) else value / 1000

    def mean(total: float, count: float) -> float | None:
        return total / count if count else None

    requests = read("nv_inference_request_success", **mine)
    executions = read("nv_inference_exec_count", **mine)
    compute = sum(read(f"nv_inference_compute_{part}_duration_us", **mine) for part in ("input", "infer", "output"))
    reasons = [
        dict(labels)
        for name, labels in samples
        if name == "nv_inference_request_failure" and set(mine.items()) <= labels
    ]
    # All three are 0 until the server has looked at its machine for the first time.
    cpu, memory_used, memory_total = (
        read(name) for name in ("nv_cpu_utilization", "nv_cpu_memory_used_bytes", "nv_cpu_memory_total_bytes")
    )
    return EndpointMetrics(
        at=at,
        version=version,
        requests=int(requests),
        failed=int(sum(read("nv_inference_request_failure", **labels) for labels in reasons)),
        mean_batch=mean(read("nv_inference_count", **mine), executions),
        p50_ms=latency("0.5"),
        p95_ms=latency("0.95"),
        p99_ms=latency("0.99"),
        queue_ms=mean(read("nv_inference_queue_duration_us", **mine) / 1000, requests),
        compute_ms=mean(compute / 1000, requests),
        cpu=min(1.0, max(0.0, cpu)) if memory_total else None,
        memory_used=int(memory_used) if memory_total else None,
        memory_total=int(memory_total) or None,
    )


def _labels(text: str) -> frozenset[tuple[str, str]] | None:
    found, end = [], 0
    while match := _LABEL.match(text, end):
        found.append((match[1], match[2]))
        end = match.end()
    return frozenset(found) if end == len(text) else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
