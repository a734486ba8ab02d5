"""The load generator against servers that misbehave in every way it counts."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from backend.adapters.triton import load
from backend.adapters.triton.load import TritonLoad, open_loop
from backend.domain.loadtest import LoadPlan, summarise

HEAD = json.dumps({"model_version": "3"}).encode()
GOOD = b"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n" % (
    len(HEAD),
    len(HEAD) + 40,
)
GOOD += HEAD + bytes(40)

Answer = Callable[[int], bytes | None]
"""What the n-th request (from 1) gets; None is silence, empty bytes close the connection."""


class Server(ThreadingTCPServer):
    """Answers requests over keep-alive connections; counts both."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.requests = 0
        self.connections = 0
        self.counting = threading.Lock()


class Handler(StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        with self.server.counting:
            self.server.connections += 1
        while head := self._head():
            self.rfile.read(next(int(line[15:]) for line in head if line.startswith(b"Content-Length:")))
            with self.server.counting:
                self.server.requests += 1
                answer = self.server.answer(self.server.requests)
            if answer is None:
                self.rfile.read()  # silence, until the client gives up
            if not answer:
                return
            time.sleep(0.001)
            self.wfile.write(answer)

    def _head(self) -> list[bytes]:
        lines = []
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            lines.append(line)
        return lines


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[Server, str]]:
    with Server(answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def ignore(seconds: float, requests: int, failed: int) -> None:
    """A `Progress` for tests that are not about it."""


def test_a_closed_loop_asks_over_as_many_connections_as_planned_and_ends_in_time() -> None:
    told: list[tuple[float, int, int]] = []
    with serving(lambda _: GOOD) as (server, url):
        plan = LoadPlan(concurrency=5, seconds=1)
        shots = TritonLoad().closed_loop(url, plan, lambda *news: told.append(news))
    result = summarise(shots)
    assert (result.failed, result.versions) == (0, (3,))
    assert server.connections == 5
    assert server.requests == result.requests > 50
    assert 0.9 < result.seconds < 1.5
    assert result.p50_ms is not None and result.p50_ms >= 1
    assert all(failed == 0 < requests for _, requests, failed in told)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}", "status 500"),
        (b"", "connection"),
        (None, "timeout"),
        (GOOD.replace(b"3", b"x"), "unreadable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "unreadable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", "unreadable"),
    ],
)
def test_a_failure_is_counted_by_its_kind_and_the_next_request_asks_again(
    monkeypatch: pytest.MonkeyPatch, wrong: bytes | None, kind: str
) -> None:
    # Silence is waited for; whatever else is wrong must not be taken for it because this machine is busy.
    monkeypatch.setattr(load, "DEADLINE_S", 3.0 if wrong is None else 20.0)
    with serving(lambda number: wrong if number == 3 else GOOD) as (server, url):
        shots = open_loop(url, per_second=500, count=30, progress=ignore)
    assert [shot.failure for shot in shots if shot.failure] == [kind]
    assert {shot.version for shot in shots if not shot.failure} == {3}
    assert server.requests == len(shots) == 30


def test_an_open_loop_keeps_its_rate_and_counts_the_wait_of_whoever_had_to() -> None:
    with serving(lambda _: GOOD) as (_, url):
        shots = open_loop(url, per_second=200, count=60, progress=ignore)
    due = sorted(shot.due for shot in shots)
    assert due[-1] - due[0] == pytest.approx(59 / 200)
    assert all(shot.due <= shot.sent <= shot.done for shot in shots)


def test_where_nobody_listens_every_request_fails_and_they_stay_few() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        shots = TritonLoad().closed_loop(url, LoadPlan(concurrency=2, seconds=1), ignore)
    result = summarise(shots)
    assert result.failures == {"connection": result.requests}
    assert 2 <= result.requests <= 50


def test_a_stream_asks_at_its_rate_during_the_block_and_a_moment_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "STREAM_TAIL_S", 0.2)
    with serving(lambda _: GOOD) as (_, url):
        begun = time.monotonic()
        with TritonLoad().stream(url, 100) as shots:
            time.sleep(0.3)
            ended = time.monotonic()
        lasted = time.monotonic() - begun
    assert all(not shot.failure and shot.version == 3 for shot in shots)
    assert sum(shot.due > ended for shot in shots) >= 10
    assert abs(len(shots) - 100 * lasted) < 20
    gaps = sorted(shot.due for shot in shots)
    assert max(after - before for before, after in pairwise(gaps)) < 0.0101


def test_a_stream_tells_of_a_server_that_is_gone_and_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "STREAM_TAIL_S", 0.1)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with TritonLoad().stream(f"http://127.0.0.1:{nobody.getsockname()[1]}", 50) as shots:
            time.sleep(0.2)
    assert {shot.failure for shot in shots} == {"connection"}


def test_a_stream_ends_with_the_block_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "STREAM_TAIL_S", 0.1)
    with serving(lambda _: GOOD) as (_, url), pytest.raises(ValueError, match="the deployment broke"):
        with TritonLoad().stream(url, 50):
            raise ValueError("the deployment broke")
    assert not [thread for thread in threading.enumerate() if thread.name == "probe stream"]
