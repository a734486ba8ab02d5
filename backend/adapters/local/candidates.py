"""The candidate that Draw asks beside the endpoints: one worker process at a time, kept while it is asked."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from backend.adapters.local.candidate_worker import ANSWER_BYTES, COUNT, MILLISECONDS
from backend.adapters.triton.client import require_images
from backend.domain.prediction import Answer
from backend.domain.registry import ModelVersion
from backend.errors import ArchiveRejectedError, WorkFailedError
from backend.ports.candidates import Candidates

DEADLINE_S: Final = 10.0


class LocalCandidates:
    """`Candidates` on this machine. `environment` is what the worker is started with."""

    def __init__(self, *, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._one_at_a_time = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._runs = ""

    def predict(self, version: ModelVersion, archive: Path, images: npt.NDArray[np.float32]) -> Answer:
        require_images(images)
        with self._one_at_a_time:
            try:
                answer = self._exchange(self._worker_of(version, archive), images)
            except (BrokenPipeError, TimeoutError, EOFError) as error:
                self._end()
                raise WorkFailedError(
                    f"Version {version.version} does not answer: {str(error) or 'its process ended'}.",
                    hint="Ask again; a model that keeps failing should be rejected.",
                ) from error
        rows, took = answer
        if not np.isfinite(rows).all() or np.abs(rows.sum(axis=1) - 1.0).max() > 0.01:
            raise ArchiveRejectedError(f"Version {version.version} answers nonsense: its rows are no probabilities.")
        return Answer(
            probabilities=tuple(tuple(row) for row in rows.tolist()), version=version.version, latency_ms=took
        )

    @property
    def process_id(self) -> int:
        """Of the worker that runs now; 0 for none."""
        return self._worker.pid if self._worker is not None else 0

    def close(self) -> None:
        """End the worker; the next question starts another."""
        with self._one_at_a_time:
            self._end()

    def _worker_of(self, version: ModelVersion, archive: Path) -> subprocess.Popen[bytes]:
        if self._worker is not None and self._runs == version.sha256 and self._worker.poll() is None:
            return self._worker
        self._end()
        command = [sys.executable, "-m", "backend.adapters.local.candidate_worker", str(archive), version.sha256]
        worker = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        # It ends with its standard input, so with this process. PDEATHSIG would end it with the thread that began it.
        self._worker, self._runs = worker, version.sha256
        said = json.loads(_line(_pipe(worker.stdout), time.monotonic() + DEADLINE_S) or b"null")
        if said != {}:
            self._end()
            told = said if isinstance(said, dict) else {}
            raise ArchiveRejectedError(
                str(told.get("error", f"Version {version.version} cannot be run: its process ended.")),
                hint=str(told.get("hint", "")),
            )
        return worker

    def _exchange(
        self, worker: subprocess.Popen[bytes], images: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], float]:
        deadline = time.monotonic() + DEADLINE_S
        requests = _pipe(worker.stdin)
        requests.write(COUNT.pack(len(images)) + np.ascontiguousarray(images, np.float32).tobytes())
        requests.flush()
        size = len(images) * ANSWER_BYTES
        content = _read(_pipe(worker.stdout), size + MILLISECONDS.size, deadline)
        rows = np.frombuffer(content[:size], np.float32).reshape(len(images), 10)
        return rows, MILLISECONDS.unpack(content[size:])[0]

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            with self._worker:  # closes the pipes and collects it
                self._worker = None


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 - Popen was told to pipe it
    return stream


def _line(stream: IO[bytes], deadline: float) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        if not (more := _some(stream, 1, deadline)):
            return b""
        line += more
    return line


def _read(stream: IO[bytes], size: int, deadline: float) -> bytes:
    content = b""
    while len(content) < size:
        if not (more := _some(stream, size - len(content), deadline)):
            raise EOFError
        content += more
    return content


def _some(stream: IO[bytes], size: int, deadline: float) -> bytes:
    """At most `size` bytes, nothing at the end; straight from the pipe, so that none waits in a buffer unseen."""
    if not select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise TimeoutError(f"no answer within {DEADLINE_S:g} seconds")
    return os.read(stream.fileno(), size)


def _conforms(adapter: LocalCandidates) -> Candidates:
    return adapter
