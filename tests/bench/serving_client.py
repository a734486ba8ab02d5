"""A closed-loop HTTP client, outside of everything that is measured: `python -m tests.bench.serving_client`.

Reads one JSON document, an `Order`, from its standard input; writes one, a `Told`, to its output. It is one thread over
non-blocking sockets and does per request only what every client must (send the bytes, read until the length that the
header tells, look at the status), so that on a machine with few cores it takes little from the server. Answers are
checked elsewhere, once, before anything is timed.
"""

from __future__ import annotations

import base64
import gc
import json
import select
import socket
import sys
import time
from array import array
from dataclasses import asdict, dataclass
from typing import Final

ANSWER_TIMEOUT_S: Final = 20.0
"""Without any answer for so long, the server is taken for dead."""

_READ = 2**16
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"
_OK = b" 200 "


@dataclass(frozen=True, kw_only=True)
class Order:
    """One whole HTTP request, base64; sent over each of `connections`, again when answered, for `warm_up_s + seconds`.

    Latencies are those of requests sent after the warm-up and answered before the end.
    """

    port: int
    request: str
    connections: int
    warm_up_s: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Told:
    """Milliseconds of each good answer in `seconds`; `failed` counts answers that are no 200 and broken connections.

    `answers` are all there were, those of the warm-up too, and `cpu_s` is what the client itself took for them.
    """

    latencies_ms: list[float]
    failed: int
    seconds: float
    answers: int
    cpu_s: float


class Connection:
    """One keep-alive connection and the answer that is coming in on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0.0
        self._answer = b""

    def ask(self, request: bytes) -> None:
        """Requests are a few kB: the empty send buffer of a loopback connection takes one whole."""
        self.sent = time.perf_counter()
        if self.socket.send(request) != len(request):
            raise ConnectionError("the request did not fit the send buffer")

    def read(self) -> bool | None:
        """Whether the answer is a 200, once it is there whole; None until then. Raises `ConnectionError`."""
        data = self.socket.recv(_READ)
        if not data:
            raise ConnectionError("closed by the server")
        answer = self._answer + data if self._answer else data
        if not is_whole(answer):
            self._answer = answer
            return None
        self._answer = b""
        return answer.find(_OK, 0, 16) > 0


def is_whole(answer: bytes) -> bool:
    """Whether head and body of the answer have arrived; an answer without a length is none that we can time."""
    end = answer.find(_END_OF_HEAD)
    if end < 0:
        return False
    head = answer[:end].lower()
    begin = head.find(_LENGTH)
    if begin < 0:
        raise ConnectionError(f"an answer without its length: {answer[:80]!r}")
    length = int(head[begin + len(_LENGTH) :].split(b"\r", 1)[0])
    return len(answer) >= end + len(_END_OF_HEAD) + length


def load(order: Order) -> Told:
    """Raises `ConnectionError` when no connection can be made, or nothing answers any more."""
    request = base64.b64decode(order.request)
    poll = select.epoll()
    open_ones: dict[int, Connection] = {}

    def connect() -> None:
        connection = Connection(order.port)
        open_ones[connection.socket.fileno()] = connection
        poll.register(connection.socket, select.EPOLLIN)
        connection.ask(request)

    for _ in range(order.connections):
        connect()
    begin = time.perf_counter() + order.warm_up_s
    end = begin + order.seconds
    cpu = time.process_time()
    latencies, answers, failed, last = array("d"), 0, 0, time.perf_counter()
    while (now := time.perf_counter()) < end:
        ready = poll.poll(0.1)
        if ready:
            last = now
        elif now - last > ANSWER_TIMEOUT_S:
            raise ConnectionError(f"no answer for {ANSWER_TIMEOUT_S:.0f} s")
        for number, _ in ready:
            connection = open_ones[number]
            try:
                good = connection.read()
                if good is None:
                    continue
                done = time.perf_counter()
                answers += good
                if connection.sent >= begin and done <= end:
                    failed += not good
                    if good:
                        latencies.append(1e3 * (done - connection.sent))
                connection.ask(request)
            except OSError:
                failed += 1
                poll.unregister(number)
                open_ones.pop(number).socket.close()
                connect()
    cpu = time.process_time() - cpu
    for connection in open_ones.values():
        connection.socket.close()
    return Told(latencies_ms=list(latencies), failed=failed, seconds=order.seconds, answers=answers, cpu_s=cpu)


def main() -> None:
    order = Order(**json.load(sys.stdin))
    gc.disable()  # a pause of the client's would be told as one of the server's
    json.dump(asdict(load(order)), sys.stdout)


if __name__ == "__main__":
    main()
