"""The process that reads from W&B, as the rest of the product sees it: ask, and wait for the answer with a limit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from backend.adapters.wandb.client_environment import client_environment
from backend.adapters.wandb.cloud_trouble import ENDED, NO_ANSWER, CloudTrouble, CloudTroubleError

_WORKER: Final = "backend.adapters.wandb.cloud_worker"
_ENDING_SECONDS: Final = 3.0


class CloudProcess:
    """Started with the first question, and again after its end; shared by all threads of this process.

    It ends by itself when this process does, and when nobody asked for some minutes.
    """

    def __init__(self, environ: Mapping[str, str], *, key: str, base_url: str, entity: str, log: Path) -> None:
        self._environ = environ
        self._key = key
        self._base_url = base_url
        self._entity = entity
        self._log = log
        self._lock = threading.Lock()
        self._worker: _Worker | None = None

    def ask(self, what: str, *, seconds: float, **parameters: Any) -> Any:
        """The answer of the worker's method `what`; raises `CloudTroubleError` within about `seconds`."""
        try:
            return self._running().ask(what, seconds, parameters)
        except CloudTroubleError as error:
            if error.trouble.text != ENDED:
                raise
        # It had just gone to sleep, or died; all that can be asked only reads, and may be asked again.
        return self._running().ask(what, seconds, parameters)

    def close(self) -> None:
        with self._lock:
            if self._worker is not None:
                self._worker.close()

    def _running(self) -> _Worker:
        with self._lock:
            if self._worker is None or not self._worker.is_alive():
                # The client makes a folder for every run that it hears of, and keeps exported histories for ever.
                scratch = tempfile.mkdtemp(prefix="digits-wandb-")
                environment = client_environment(
                    self._environ, key=self._key, base_url=self._base_url, entity=self._entity, scratch=scratch
                )
                self._log.parent.mkdir(parents=True, exist_ok=True)
                with self._log.open("wb") as log:
                    self._worker = _Worker(environment, scratch, log)
            return self._worker


class _Worker:
    """One such process, and who waits for it."""

    def __init__(self, environment: Mapping[str, str], scratch: str, log: IO[bytes]) -> None:
        self._scratch = scratch
        self._process = subprocess.Popen(
            [sys.executable, "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            env=environment,
            start_new_session=True,  # Ctrl-C in the terminal is for the dashboard; this one ends with its pipe
        )
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[Any]] = {}
        self._asked = 0
        self._ended = False
        threading.Thread(target=self._listen, name="wandb-answers", daemon=True).start()

    def is_alive(self) -> bool:
        return not self._ended and self._process.poll() is None

    def close(self) -> None:
        """Let it end: it does when nobody can ask any more."""
        with self._lock:
            self._close_input()
        try:
            self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):  # what had not been sent when it ended
                self._process.stdin.close()

    def ask(self, what: str, seconds: float, parameters: Mapping[str, Any]) -> Any:
        answer: Future[Any] = Future()
        with self._lock:
            if self._ended:
                raise _trouble(ENDED)
            self._asked += 1
            self._waiting[self._asked] = answer
            try:
                print(
                    json.dumps({"id": self._asked, "do": what, "with": parameters}),
                    file=self._process.stdin,
                    flush=True,
                )
            except (OSError, ValueError):  # it ended, or was closed
                del self._waiting[self._asked]
                raise _trouble(ENDED) from None
        try:
            return answer.result(timeout=seconds)
        except NoAnswerError:
            self._process.kill()  # its own limits are shorter than this one: it hangs
            raise _trouble(NO_ANSWER) from None

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for above
        for line in self._process.stdout:
            answered = json.loads(line)
            with self._lock:
                waiting = self._waiting.pop(answered["id"])
            if "error" in answered:
                waiting.set_exception(CloudTroubleError(CloudTrouble(**answered["error"])))
            else:
                waiting.set_result(answered["result"])
        self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self._scratch, ignore_errors=True)  # in case it was killed, and could not
        with self._lock:
            self._ended = True
            self._close_input()
            left = list(self._waiting.values())
        for waiting in left:
            waiting.set_exception(_trouble(ENDED))


def _trouble(text: str) -> CloudTroubleError:
    return CloudTroubleError(CloudTrouble(status=None, kind="", text=text))
