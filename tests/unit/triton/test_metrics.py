"""Reading a page that Triton 2.51 wrote, and refusing others."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from backend.adapters.triton.metrics import parse_metrics, parse_samples, read_page
from backend.domain.serving import EndpointMetrics, requests_per_second
from backend.errors import EndpointUnavailableError

PAGE = Path(__file__).with_name("metrics.txt").read_text()
"""Of a server that served version 1 and was asked by its supervisor only."""
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def parsed(page: str = PAGE) -> EndpointMetrics:
    return parse_metrics(page, version=1, at=NOON)


def value_of(line_start: str) -> float:
    return next(float(line.rpartition(" ")[2]) for line in PAGE.splitlines() if line.startswith(line_start))


def test_a_real_page_is_read_in_our_units() -> None:
    metrics = parsed()
    requests = value_of('nv_inference_request_success{model="mnist"')
    assert (metrics.at, metrics.version, metrics.requests, metrics.failed) == (NOON, 1, requests, 0)
    assert (
        metrics.p50_ms == value_of('nv_inference_request_summary_us{model="mnist",version="1",quantile="0.5"}') / 1000
    )
    assert metrics.p50_ms < metrics.p95_ms <= metrics.p99_ms
    assert metrics.queue_ms == value_of("nv_inference_queue_duration_us") / 1000 / requests
    infer = value_of("nv_inference_compute_infer_duration_us") / 1000 / requests
    assert infer < metrics.compute_ms < 1.2 * infer
    executions = value_of("nv_inference_exec_count")
    assert metrics.mean_batch == value_of("nv_inference_count") / executions > 1
    assert (metrics.cpu, metrics.memory_total) == (value_of("nv_cpu_utilization"), 25276514304)
    assert 0 < metrics.memory_used < metrics.memory_total


def test_failures_of_every_reason_and_of_no_other_model_count() -> None:
    page = PAGE.replace(
        'failure{model="mnist",reason="BACKEND",version="1"} 0', 'failure{model="mnist",reason="BACKEND",version="1"} 3'
    )
    page = page.replace(
        'failure{model="mnist",reason="REJECTED",version="1"} 0',
        'failure{model="mnist",reason="REJECTED",version="1"} 4',
    )
    page = page.replace('candidate",reason="OTHER",version="1"} 0', 'candidate",reason="OTHER",version="1"} 9')
    assert parsed(page).failed == 7


def test_before_the_first_request_nothing_is_said_about_latency() -> None:
    lines = []
    for line in PAGE.splitlines():
        name, _, _ = line.rpartition(" ")
        if line.startswith("nv_inference") and "_summary_us{" in line:
            lines.append(f"{name} Nan")
        elif line.startswith("nv_inference") and "failure" not in line:
            lines.append(f"{name} 0")
        else:
            lines.append(line)
    metrics = parsed("\n".join(lines))
    assert (metrics.requests, metrics.mean_batch, metrics.queue_ms, metrics.compute_ms) == (0, None, None, None)
    assert (metrics.p50_ms, metrics.p95_ms, metrics.p99_ms) == (None, None, None)


def test_before_the_server_looked_at_its_machine_nothing_is_said_about_it() -> None:
    metrics = parsed(re.sub(r"(?m)^(nv_cpu_.*) .*$", r"\1 0", PAGE))
    assert (metrics.cpu, metrics.memory_used, metrics.memory_total) == (None, None, None)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (PAGE.replace('version="1"', 'version="7"'), "nv_inference_request_success of version 1"),
        (PAGE.replace("nv_cpu_utilization ", "nv_cpu_other "), "nv_cpu_utilization"),
        (re.sub(r"(nv_inference_count{.*}) .*", r"\1 Nan", PAGE), "nv_inference_count of version 1"),
        ("<html>not found</html>", "'<html>not found</html>'"),
        ('a{b="c} 1', "no metrics of Triton's"),
        ("a one", "no metrics of Triton's"),
        ("", "nv_inference_request_success"),
    ],
)
def test_a_page_that_is_not_tritons_is_refused(page: str, said: str) -> None:
    with pytest.raises(EndpointUnavailableError, match=said):
        parsed(page)


def test_labels_may_hold_anything() -> None:
    samples = parse_samples('x{a="b,c=\\"d\\"",e="}"} 1.5\ny 2 1700000000\n')
    assert samples == {("x", frozenset({("a", 'b,c=\\"d\\"'), ("e", "}")})): 1.5, ("y", frozenset()): 2.0}


class TestRate:
    def test_it_is_the_difference_over_the_time(self) -> None:
        before = parsed()
        after = replace(before, at=NOON + timedelta(seconds=2), requests=before.requests + 31)
        assert requests_per_second(before, after) == 15.5

    def test_across_a_switch_a_restart_or_no_time_there_is_none(self) -> None:
        before = parsed()
        later = replace(before, at=NOON + timedelta(seconds=2))
        assert requests_per_second(before, replace(later, version=2)) is None
        assert requests_per_second(before, replace(later, requests=before.requests - 1)) is None
        assert requests_per_second(before, before) is None


class TestReading:
    def test_nobody_there_is_unavailable(self) -> None:
        with pytest.raises(EndpointUnavailableError, match=r"127\.0\.0\.1:1 cannot be reached"):
            read_page("127.0.0.1:1", timeout_s=0.2)

    @pytest.mark.parametrize("status", [200, 404])
    def test_only_a_page_is_one(self, status: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/metrics" else 500)
                self.end_headers()
                self.wfile.write(b"x 1\n")

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            Thread(target=server.handle_request, daemon=True).start()
            address = f"127.0.0.1:{server.server_port}"
            if status == 200:
                assert read_page(address, timeout_s=2) == "x 1\n"
            else:
                with pytest.raises(EndpointUnavailableError, match="answered 404"):
                    read_page(address, timeout_s=2)
