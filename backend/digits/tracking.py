"""The W&B writer: configuration, metrics and sample images of a training, offline unless a key is set.

Whatever W&B does (an unreachable or hanging server, a full disk, a crash of its own), the training neither fails nor
waits: the SDK lives on a daemon thread behind a queue, and closing has a time limit. The thread starts only when the
trainer's own imports are done, because two threads that import the same packages can see them half made.
"""

from __future__ import annotations

import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

DEFAULT_PROJECT: Final = "digit_classification"
_DEFAULT_URL: Final = "https://api.forge.coreweave.com"
"""Where the pinned SDK sends runs unless `WANDB_BASE_URL` says otherwise."""
_PROBE_SECONDS: Final = 5.0
_PATIENCE_OFFLINE: Final = 10.0
_PATIENCE_ONLINE: Final = 30.0
_PATIENCE_STOPPING: Final = 5.0
"""Less than the time a stopped trainer is given before it is killed."""

Run = Any
Step = Callable[[Run], object]


class Tracker:
    """Records one training. Every method returns at once and never raises, except that `finish` waits within limits.

    The run's id and name are `$TRAINING_JOB_NAME`, its project `$WANDB_PROJECT`, its folder `$WANDB_DIR`; it goes
    online when `$WANDB_API_KEY` is set and a server answers, and else to files that can be synced later.
    `$WANDB_MODE=disabled` records nothing. `notify` is told once if W&B is in trouble.
    """

    def __init__(self, environ: MutableMapping[str, str], notify: Callable[[str], None]) -> None:
        self._environ = environ
        self._notify = notify
        self._steps: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._exit_code = 0
        self._online = False
        self._complained = False

    def start(self, config: Mapping[str, object]) -> None:
        """Open the run, in the background."""
        if self._environ.get("WANDB_MODE") == "disabled":
            return
        self._thread = threading.Thread(target=self._record, args=(dict(config),), name="wandb", daemon=True)
        self._thread.start()

    def describe(self, config: Mapping[str, object]) -> None:
        """Add to the run's configuration."""
        self._steps.put(lambda run: run.config.update(dict(config)))

    def log(self, metrics: Mapping[str, float | int]) -> None:
        """One row of the history."""
        self._steps.put(lambda run: run.log(dict(metrics)))

    def summarise(self, values: Mapping[str, float | int]) -> None:
        self._steps.put(lambda run: run.summary.update(dict(values)))

    def show(self, key: str, images: npt.NDArray[np.uint8], captions: Sequence[str]) -> None:
        """Images uint8 [n, 28, 28] with a caption each."""

        def step(run: Run) -> None:
            import wandb

            pairs = zip(images, captions, strict=True)
            run.log({key: [wandb.Image(image, caption=caption) for image, caption in pairs]})

        self._steps.put(step)

    def finish(self, exit_code: int) -> bool:
        """Close the run; False when W&B did not come back in time: then leave with `os._exit`, or it holds you up."""
        if self._thread is None:
            return True
        self._exit_code = exit_code
        self._steps.put(None)
        patience = _PATIENCE_ONLINE if self._online else _PATIENCE_OFFLINE
        self._thread.join(patience if exit_code == 0 else _PATIENCE_STOPPING)
        if self._thread.is_alive():
            self._complain("it did not finish in time")
            return False
        return True

    def _record(self, config: dict[str, object]) -> None:
        try:
            run = self._open(config)
            while (step := self._steps.get()) is not None:
                try:
                    step(run)
                except Exception as error:  # noqa: BLE001 - what W&B cannot record must not end what it can
                    self._complain(f"{type(error).__name__}: {error}")
            run.finish(exit_code=self._exit_code)
            import wandb

            wandb.teardown()  # waits until the last records are on disk
        except Exception as error:  # noqa: BLE001 - nothing that W&B does may reach the training
            self._complain(f"{type(error).__name__}: {error}")

    def _open(self, config: dict[str, object]) -> Run:
        """Online if that works, else offline. The environment is set before the import: as an argument to `init`,
        "offline" still sends telemetry.
        """
        self._environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self._environ.setdefault("WANDB_SILENT", "true")
        wanted = bool(self._environ.get("WANDB_API_KEY")) and self._environ.get("WANDB_MODE", "online") == "online"
        answered = wanted and _answers(self._environ.get("WANDB_BASE_URL") or _DEFAULT_URL)
        if wanted and not answered:
            self._complain("its server does not answer; the run is recorded offline")
        if not answered:
            self._environ["WANDB_MODE"] = "offline"
        import wandb

        try:
            run = _init(wandb, self._environ, config)
            self._online = answered
        except Exception as error:
            if not answered:
                raise
            self._complain(f"{type(error).__name__}: {error}; the run is recorded offline")
            wandb.teardown()  # else the run's id counts as in use
            self._environ["WANDB_MODE"] = "offline"
            run = _init(wandb, self._environ, config)
        return run

    def _complain(self, trouble: str) -> None:
        if not self._complained:
            self._complained = True
            self._notify(f"W&B is in trouble: {trouble[:300]}. The training is not affected.")


def _init(wandb: Any, environ: Mapping[str, str], config: dict[str, object]) -> Run:
    name = environ.get("TRAINING_JOB_NAME")
    run = wandb.init(
        project=environ.get("WANDB_PROJECT") or DEFAULT_PROJECT,
        id=name,
        name=name,
        group=environ.get("WANDB_RUN_GROUP") or None,  # the tuning job that this is a trial of
        job_type=environ.get("WANDB_JOB_TYPE") or "train",
        config=config,
        settings=wandb.Settings(
            console="off",  # our output goes to the platform's log, untouched
            disable_git=True,
            finish_timeout=_PATIENCE_ONLINE - 5,
            init_timeout=10,
            login_timeout=5,
            sagemaker_disable=True,  # it would replace id and group, and copy every hyperparameter
            x_transaction_log_flush_interval=1.0,  # the default leaves the file empty for 15 s
        ),
    )
    run.define_metric("epoch")
    run.define_metric("*", step_metric="epoch")
    run.define_metric("val/accuracy", step_metric="epoch", summary="max")
    run.define_metric("val/loss", step_metric="epoch", summary="min")
    return run


def _answers(url: str) -> bool:
    """Whether an HTTP server is there: one that accepts connections and says nothing would hold W&B up for long."""
    if not url.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(url, timeout=_PROBE_SECONDS):  # noqa: S310 - the scheme is checked above
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
