"""SageMaker's container contract: where a training reads and writes, and how it says why it failed.

See https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html and, for the variables,
https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

STOPPED: Final = 128 + signal.SIGTERM
_CHECKPOINTS: Final = Path("/opt/ml/checkpoints")
"""Where SageMaker keeps a folder in step with S3, and brings it back after an interruption; no variable names it."""
_LONGEST_REASON = 1024
"""SageMaker keeps no more of the failure file than this."""


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Where the results go: `model` becomes model.tar.gz, `output_data` output.tar.gz; `checkpoints` are kept apart."""

    model: Path
    output_data: Path
    output: Path
    checkpoints: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Folders:
        """SageMaker's folders; outside a container, `model` and `output` under the working directory."""
        output = Path(environ.get("SM_OUTPUT_DIR", "output"))
        checkpoints = _CHECKPOINTS if _CHECKPOINTS.is_dir() else Path("checkpoints")
        return cls(
            model=Path(environ.get("SM_MODEL_DIR", "model")),
            output_data=Path(environ.get("SM_OUTPUT_DATA_DIR", output / "data")),
            output=output,
            checkpoints=Path(environ.get("DIGITS_CHECKPOINTS", checkpoints)),
        )

    def write_failure(self, reason: str) -> None:
        """Leave the reason where the platform looks for it: one paragraph in the file `failure`."""
        self.output.mkdir(parents=True, exist_ok=True)
        (self.output / "failure").write_text(" ".join(reason.split())[:_LONGEST_REASON] + "\n", encoding="utf-8")


class StopSignal:
    """SIGTERM: the platform wants the training to end, or is about to take the machine away.

    It is obeyed at once; inside `deferred`, where it would lose work, at the next safe point.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._deferred = False

    def __call__(self, number: int, frame: object) -> None:
        self.wanted = True
        if not self._deferred:
            self.obey()

    def obey(self) -> NoReturn:
        """End the program with the exit code of a stopped one."""
        raise SystemExit(STOPPED)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """While this lasts, the signal is remembered only: whoever works looks at `wanted` and obeys."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self.wanted:
            self.obey()
