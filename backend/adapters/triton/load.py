"""Loading a Triton server with requests, over keep-alive connections that one event loop drives.

Two loops. Closed: every connection asks again when it was answered, so a slow server is asked less; this finds what a
server can do. Open: requests are due at a fixed rate whatever comes of them, and one that had to wait for a connection
has waited since it was due; this is what clients notice of a stall (see G. Tene, "How NOT to Measure Latency", 2015).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count as count_from
from itertools import cycle
from typing import Final
from urllib.parse import urlsplit

from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.model_config import INPUT, OUTPUT
from backend.domain.loadtest import LoadPlan, Reach, Shot
from backend.domain.serving import TRITON_MODEL
from backend.ports.load import LoadGenerator, Progress

DEADLINE_S: Final = 2.0
OPEN_CONNECTIONS: Final = 16
STREAM_CONNECTIONS: Final = 4
"""One that stalls must not hide from the others what happens meanwhile."""
STREAM_TAIL_S: Final = 0.5

_OUTPUT_BYTES: Final = 40
"""Ten float32."""
_LARGEST_ANSWER: Final = 2**16

_REFUSED: Final = "connection"
_PAUSE_S: Final = 0.05
"""Where nobody listens a failure takes no time: a client that did not wait would count a million of them."""

Schedule = Callable[[], float | None]
"""When the next request is due, on the monotonic clock; None when there is none."""


class TritonLoad:
    """`LoadGenerator` for a server that speaks Triton's HTTP; an address is its URL."""

    reach = Reach()

    def closed_loop(self, address: str, plan: LoadPlan, progress: Progress) -> Sequence[Shot]:
        end = time.monotonic() + plan.seconds

        def due() -> float | None:
            now = time.monotonic()
            return now if now < end else None

        # In a thread of its own: the caller's may have a loop that runs, as a notebook's has.
        with ThreadPoolExecutor(max_workers=1) as alone:
            return alone.submit(asyncio.run, _load(address, plan.concurrency, due, progress, [])).result()

    @contextmanager
    def stream(self, address: str, per_second: float) -> Iterator[Sequence[Shot]]:
        shots: list[Shot] = []
        begun, end = time.monotonic(), math.inf
        numbers = count_from()

        def due() -> float | None:
            moment = begun + next(numbers) / per_second
            return moment if moment < end else None

        def ask() -> None:
            asyncio.run(_load(address, STREAM_CONNECTIONS, due, lambda *_: None, shots))

        asking = threading.Thread(target=ask, name="probe stream", daemon=True)
        asking.start()
        try:
            yield shots
        finally:
            end = time.monotonic() + STREAM_TAIL_S
            asking.join()


def open_loop(url: str, *, per_second: float, count: int, progress: Progress) -> Sequence[Shot]:
    """Send `count` requests at a fixed rate over 16 keep-alive connections; failures are shots, nothing is retried."""
    begun = time.monotonic()
    times: Iterator[float] = iter(begun + number / per_second for number in range(count))
    return asyncio.run(_load(url, min(OPEN_CONNECTIONS, count), lambda: next(times, None), progress, []))


async def _load(url: str, connections: int, due: Schedule, progress: Progress, shots: list[Shot]) -> Sequence[Shot]:
    """Append to `shots` as answers come, and return it when nothing is due any more."""
    address = urlsplit(url)
    bodies = _requests(address.netloc)
    async with asyncio.TaskGroup() as group:
        teller = group.create_task(_tell(shots, progress))
        workers = [
            group.create_task(_Connection(address.hostname or "", address.port or 80).ask(bodies, due, shots))
            for _ in range(connections)
        ]
        await asyncio.wait(workers)
        teller.cancel()
    return shots


async def _tell(shots: Sequence[Shot], progress: Progress) -> None:
    begun = time.monotonic()
    while True:
        await asyncio.sleep(1)
        progress(time.monotonic() - begun, len(shots), sum(bool(shot.failure) for shot in shots))


class _Connection:
    """One connection, opened anew after a failure: a late answer on it would be taken for the next one's."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, bodies: Sequence[bytes], due: Schedule, shots: list[Shot]) -> None:
        for body in cycle(bodies):
            moment = due()
            if moment is None:
                break
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            sent = time.monotonic()
            version, failure = await self._shoot(body)
            shots.append(Shot(due=moment, sent=sent, done=time.monotonic(), version=version, failure=failure))
            if failure == _REFUSED:
                await asyncio.sleep(_PAUSE_S)
        await self._close()

    async def _shoot(self, body: bytes) -> tuple[int, str]:
        """The version that answered and no failure, or 0 and the kind of failure."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._exchange(body)
        except TimeoutError:
            failure = "timeout"
        except (OSError, asyncio.IncompleteReadError):
            failure = _REFUSED
        except (ValueError, KeyError, TypeError, asyncio.LimitOverrunError):
            failure = "unreadable"
        await self._close()
        return 0, failure

    async def _exchange(self, body: bytes) -> tuple[int, str]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(body)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines if line)
        length = int(headers[b"content-length"])
        if length > _LARGEST_ANSWER:
            raise ValueError(length)
        answer = await reader.readexactly(length)
        code = int(status.split()[1])
        if code != 200:
            return 0, f"status {code}"
        head = int(headers[b"inference-header-content-length"])
        if length - head != _OUTPUT_BYTES:
            raise ValueError(length)
        return int(json.loads(answer[:head])["model_version"]), ""

    async def _close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError):  # it may have been closed by the other side
                await writer.wait_closed()


def _requests(host: str) -> Sequence[bytes]:
    """The ten known digits, one per request, complete with their HTTP headers."""
    requests = []
    for image in canary_images():
        tensor = InferInput(INPUT, [1, 28, 28, 1], "FP32")
        tensor.set_data_from_numpy(image[None])
        body, header_length = InferenceServerClient.generate_request_body(
            [tensor], outputs=[InferRequestedOutput(OUTPUT, binary_data=True)]
        )
        head = (
            f"POST /v2/models/{TRITON_MODEL}/infer HTTP/1.1\r\nHost: {host}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n"
            f"Inference-Header-Content-Length: {header_length}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


def _conforms(load: TritonLoad) -> LoadGenerator:
    return load
