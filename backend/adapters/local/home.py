"""Where things lie under `DIGITS_HOME`: one place that knows the names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backend.errors import InvalidInputError

_OPERATION_ID: Final = re.compile(r"[a-z0-9-]{1,80}")


@dataclass(frozen=True)
class Home:
    """The state folder of one installation."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "digits.sqlite3"

    @property
    def log(self) -> Path:
        return self.root / "digits.log"

    @property
    def wandb(self) -> Path:
        return self.root / "wandb"

    @property
    def wandb_cloud(self) -> Path:
        """What was read from a W&B server."""
        return self.root / "wandb-cloud"

    def job(self, name: str) -> JobFolder:
        return JobFolder(self.root / "jobs" / name)

    def version(self, number: int) -> Path:
        return self.root / "models" / str(number) / "model.tar.gz"

    @property
    def evaluations(self) -> Path:
        """A folder for each archive that was run, under its SHA-256, and `data` with the images."""
        return self.root / "evaluations"

    @property
    def hard_examples(self) -> Path:
        """Sets of labelled drawings, each under its SHA-256."""
        return self.root / "hard-examples"

    def operation(self, operation_id: str) -> Path:
        """Ids come from addresses and command lines: raises `InvalidInputError` for what cannot be one."""
        if not _OPERATION_ID.fullmatch(operation_id):
            raise InvalidInputError(
                f"'{operation_id[:80]}' is no operation: expected 1 to 80 small letters, digits and hyphens."
            )
        return self.root / "operations" / operation_id


@dataclass(frozen=True)
class JobFolder:
    """One job's files: SageMaker's folders under their names, our archives, log and lock beside them."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def log(self) -> Path:
        return self.root / "output.log"

    @property
    def runner_log(self) -> Path:
        return self.root / "runner.log"

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def output(self) -> Path:
        return self.root / "output"

    @property
    def output_data(self) -> Path:
        return self.output / "data"

    @property
    def input_data(self) -> Path:
        """A folder for each input channel, under its name."""
        return self.root / "input" / "data"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def failure(self) -> Path:
        return self.output / "failure"

    @property
    def archive(self) -> Path:
        return self.root / "model.tar.gz"

    @property
    def output_archive(self) -> Path:
        return self.root / "output.tar.gz"
