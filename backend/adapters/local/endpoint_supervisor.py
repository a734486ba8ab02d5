"""Keeps the Triton of one stage alive and serving what is wanted.

It starts Triton and starts it again when it ends, or drives one that runs already; loads the wanted version, and asks a
known digit every two seconds: a stub that died is noticed by nothing else (Triton goes on reading ready, and answers
every other request with 500).
It also guards the stage: something else than the wanted, loaded past the deployments, is recorded and left to a person.
It samples the stage's traffic each minute, and takes the stage down when its time to live is over.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Final, Protocol

from backend.adapters.local.endpoint_expiry import EndpointExpiry
from backend.adapters.local.endpoint_folder import EndpointFolder, RunnerState, RunnerStatus, Wanted, take_lock
from backend.adapters.local.endpoint_guard import EndpointGuard
from backend.adapters.local.endpoint_logs import rotate
from backend.adapters.local.endpoint_look import look, request_for
from backend.adapters.local.endpoint_sampler import EndpointSampler
from backend.adapters.local.processes import LockHeldError
from backend.adapters.triton.canary import canary_images
from backend.adapters.triton.client import AnswerTimeoutError, TritonClient
from backend.adapters.triton.model_config import CANDIDATE
from backend.domain.serving import TRITON_MODEL, ServedModel
from backend.errors import DeploymentFailedError, DigitsError, EndpointUnavailableError

BEAT_S: Final = 2.0
IDLE_S: Final = 30.0
LATE_LOAD_S: Final = 60.0
"""So long after its deployment died a load may still come to its end."""

_QUICK_BEAT_S = 0.05
_RETRY_S = 10.0
_TIMEOUTS_IN_A_ROW = 3
"""A busy server may miss one answer; reloading it then would make matters worse."""

log = logging.getLogger("endpoint")


class StageServer(Protocol):
    """The Triton of one stage, ours or somebody else's.

    `is_ready`: it answers, and is seen to be the stage's own. `last_exit` says why it does not, in a sentence. `pid` is
    0 where there is no process of ours.
    """

    is_ready: bool
    last_exit: str

    @property
    def client(self) -> TritonClient: ...

    @property
    def pid(self) -> int: ...

    @property
    def metrics_address(self) -> str: ...

    def keep_running(self) -> bool:
        """Do what is due to have it running; returns `is_ready`. Raises `DigitsError` for what only a person mends."""
        ...

    def stop(self) -> None:
        """Serve nothing any more."""
        ...

    def kill(self) -> None:
        """It does not serve what was loaded: another one is needed."""
        ...


class EndpointSupervisor:
    """One stage's supervisor. `wait(seconds)` sleeps at most so long and returns True when the process must end."""

    def __init__(
        self,
        folder: EndpointFolder,
        server: StageServer,
        guard: EndpointGuard,
        sampler: EndpointSampler,
        expiry: EndpointExpiry,
        wait: Callable[[float], bool],
    ) -> None:
        self._folder = folder
        self._server = server
        self._guard = guard
        self._sampler = sampler
        self._expiry = expiry
        self._wait = wait
        self._timeouts = 0
        self._retry_at = 0.0
        self._wanted_at = time.monotonic()
        self._said: RunnerStatus | None = None
        self._abandoned: tuple[ServedModel, float] | None = None
        """What a deployment that died was about to serve, and when this was seen."""

    def run(self) -> None:
        """Supervise until told to end; nothing is served any more on the way out."""
        self._say(RunnerState.STARTING)
        try:
            while not self._wait(self._beat()):
                for path in (self._folder.triton_log, self._folder.runner_log):
                    rotate(path)
        finally:
            self._say(RunnerState.LEAVING, "The endpoint is stopped.")
            self._server.stop()
            log.info("ended")

    def _beat(self) -> float:
        """Do what is due; returns the seconds until the next time."""
        try:
            if self._expiry.take_down_when_due():
                return self._leave("Its time to live was over.")
            if not self._server.keep_running():
                self._say(RunnerState.STARTING, self._server.last_exit)
                return _QUICK_BEAT_S
            if self._said is None or not self._said.takes_loads:
                # A deployment may wait for this, and hold the lock without which nothing is repaired.
                self._say(RunnerState.STARTING)
            wanted = self._folder.wanted()
            if wanted is not None:
                self._wanted_at = time.monotonic()
                self._look_after(wanted)
                return BEAT_S
        except DigitsError as error:
            self._say(RunnerState.FAILED, f"{error.message} {error.hint}".strip())
            return BEAT_S
        except OSError as error:  # a full disk, above all: what serves goes on serving, and the next beat tries again
            self._say(RunnerState.FAILED, f"The endpoint's folder cannot be written: {error}.")
            return BEAT_S
        self._say(RunnerState.RUNNING)
        return self._leave_when_idle()

    def _look_after(self, wanted: Wanted) -> None:
        """Repair what can be repaired. Raises `StoreError` and `OSError` for what the stage's folder suffers."""
        trouble = self._trouble_with(wanted)
        if not trouble:
            self._say(RunnerState.RUNNING)
            self._tidy_up()
        elif time.monotonic() >= self._retry_at:
            self._repair(trouble)

    def _trouble_with(self, wanted: Wanted) -> str:
        """Why the wanted version is not well, in a sentence; empty when it is."""
        client = self._server.client
        try:
            seen = look(self._folder, wanted, client)
            if not seen.loaded:
                return f"Version {wanted.model.version} is not loaded."
            if seen.unfinished and seen.served:
                return f"Version {seen.served.version} is served, wanted is version {wanted.model.version}."
            self._sampler.beat(seen.served or wanted.model)
            self._guard.note(seen.drift, client)
            if seen.drift:
                return ""
            for _ in range(wanted.config["instance_group"][0]["count"]):  # Triton asks its instances in turn
                client.infer(canary_images()[:1])
                self._sampler.note_own_request()
        except AnswerTimeoutError as error:
            self._timeouts += 1
            return error.message if self._timeouts >= _TIMEOUTS_IN_A_ROW else ""
        except (EndpointUnavailableError, DeploymentFailedError) as error:
            return error.message
        self._timeouts = 0
        return ""

    def _repair(self, trouble: str) -> None:
        """Load the wanted version anew; a server that cannot even do that is replaced."""
        try:
            with take_lock(self._folder.load_lock, shared=True):
                wanted = self._folder.wanted()
                if wanted is None or not self._trouble_with(wanted):
                    return  # a deployment has mended it; the stage must not read `Updating` because somebody looks
            lock = take_lock(self._folder.load_lock)
        except LockHeldError:
            return  # a deployment is at work; what it leaves is looked at on the next beat
        with lock:
            wanted = self._folder.wanted()
            if wanted is None or not (trouble := self._trouble_with(wanted)):
                return
            log.warning("repairing: %s", trouble)
            self._say(RunnerState.REPAIRING, trouble)
            try:
                self._server.client.load(TRITON_MODEL, request_for(wanted))
                trouble = self._trouble_with(wanted)
            except DeploymentFailedError as error:
                self._retry_at = time.monotonic() + _RETRY_S
                self._say(RunnerState.FAILED, self._why_not(wanted, error))
                return
            except EndpointUnavailableError as error:
                trouble = error.message
            if trouble:
                log.error("loading did not help, the server is replaced: %s", trouble)
                self._server.kill()
                return
            log.info("version %d serves", wanted.model.version)
            self._say(RunnerState.RUNNING)

    def _why_not(self, wanted: Wanted, error: DeploymentFailedError) -> str:
        number, file = wanted.model.version, self._folder.repository.model_file(wanted.model.version)
        if file.is_file():
            return f"Version {number} cannot be served. {error.message}"
        # A stage that moved to another server, or whose folder was emptied: only a deployment brings the file.
        return f"Version {number} cannot be served: '{file}' is not there. Promote version {number} once more."

    def _tidy_up(self) -> None:
        """Free what a deployment that died left loaded beside the version that serves, and forget what it intended."""
        if not self._folder.repository.has_candidate and self._folder.intended() is None:
            return
        try:
            with take_lock(self._folder.load_lock, shared=True):
                self._forget_intention()
                if not self._folder.repository.has_candidate:
                    return  # the deployment freed it itself while this waited
            lock = take_lock(self._folder.load_lock)
        except LockHeldError:
            return  # it is alive
        with lock:
            if not self._folder.repository.has_candidate:
                return
            try:
                self._server.client.unload(CANDIDATE)
            except (DeploymentFailedError, EndpointUnavailableError) as error:
                log.warning("the candidate stays loaded: %s", error.message)
                return
            self._folder.repository.remove_candidate()

    def _forget_intention(self) -> None:
        """Not at once: Triton ends a load that a dead process asked for, and what it then serves is to be undone."""
        intended = self._folder.intended()
        if intended is None:
            return
        if self._abandoned is None or self._abandoned[0] != intended:
            self._abandoned = (intended, time.monotonic())
        if time.monotonic() - self._abandoned[1] >= LATE_LOAD_S:
            self._folder.intend(None)
            self._abandoned = None

    def _leave_when_idle(self) -> float:
        if time.monotonic() - self._wanted_at < IDLE_S:
            return BEAT_S
        try:
            lock = take_lock(self._folder.load_lock)
        except LockHeldError:
            return BEAT_S  # a first deployment is at work
        with lock:
            if self._folder.wanted() is None:
                log.info("nothing is wanted")
                self._say(RunnerState.LEAVING)
                os.kill(os.getpid(), signal.SIGTERM)
        return 0.0

    def _leave(self, why: str) -> float:
        """End Triton, and this process with the next wait."""
        log.info("leaving: %s", why)
        self._server.stop()
        self._say(RunnerState.LEAVING, why)
        self._folder.repository.clear()
        os.kill(os.getpid(), signal.SIGTERM)
        return 0.0

    def _say(self, state: RunnerState, detail: str = "") -> None:
        status = RunnerStatus(
            state=state,
            pid=os.getpid(),
            takes_loads=self._server.is_ready,
            server_pid=self._server.pid,
            detail=detail,
        )
        if status == self._said:
            return
        try:
            self._folder.say(status)
        except OSError as error:
            log.error("the status cannot be written, serving goes on: %s", error)  # noqa: TRY400 - a full disk
            return
        self._said = status
