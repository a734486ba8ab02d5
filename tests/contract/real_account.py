"""The contract on a real AWS account: `AWS_PROFILE=... DIGITS_TEST_PATIENCE=60 pytest -m aws tests/contract`.

Needs AWS_DEFAULT_REGION, SM_ARN_ROLE and a bucket for tests alone in DIGITS_S3_BUCKET: what is under `digits/` in it is
deleted before and after each test. Jobs run the stand-in trainer on ml.m5.large for at most ten minutes; those that a
test left running are stopped. SageMaker keeps the descriptions of ended jobs: each test looks only at its own. What
serves is in `real_serving`.
"""

from __future__ import annotations

import io
import os
import secrets
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backend.adapters.sagemaker.job_requests import Site
from backend.adapters.sagemaker.objects import Bucket
from backend.adapters.sagemaker.prices import Prices
from backend.adapters.sagemaker.session import Account, Aws
from backend.adapters.sagemaker.spawn import start_launcher
from backend.adapters.sagemaker.training import SageMakerTraining
from backend.adapters.sagemaker.tuning import SageMakerTuning
from backend.domain.jobs import Compute, TrainingJob, TrainingRequest
from backend.domain.tuning import StopMode, TuningJob, TuningRequest
from backend.errors import DigitsError
from backend.ports.training import TrainingPlatform
from backend.ports.tuning import TuningPlatform
from tests.fakes import trainer

COMPUTE = Compute(instance_type="ml.m5.large", max_minutes=10)
ROOT = Path(__file__).resolve().parents[2]
_START = b"""import os, runpy
os.environ.setdefault("DIGITS_CHECKPOINTS", "/opt/ml/checkpoints")
runpy.run_module("stand_in", run_name="__main__")
"""


class Own:
    """One test's corner of the account."""

    def __init__(self, folder: Path) -> None:
        self.since = datetime.now(UTC)
        self.mark = secrets.token_hex(4)
        self.aws = Aws(Account.from_environ(os.environ))
        self.bucket = Bucket(self.aws)
        self.empty()
        code = self.bucket.upload(f"source/{self.mark}/sourcedir.tar.gz", stand_in())
        self.site = Site(instance_type="ml.m5.large", volume_gb=1, tags={"digits:test": self.mark}, source=code)
        self.start = start_launcher(folder, {**os.environ, "PYTHONPATH": str(ROOT)})
        prices = Prices(self.aws, None)
        self.training = _Training(self.aws, folder=folder, site=self.site, start=self.start, prices=prices)
        self.training.since = self.since

    def empty(self) -> None:
        for key in list(self.bucket.keys("")):
            self.bucket.delete(key)

    def reap(self) -> None:
        for job in self.training.list_jobs():
            if not job.status.is_terminal:
                with suppress(DigitsError):
                    self.training.stop(job.name)
        self.empty()


class _Training(SageMakerTraining):
    """Lists what was made since a time: SageMaker never forgets a job."""

    since: datetime

    def list_jobs(self) -> Sequence[TrainingJob]:
        return [job for job in super().list_jobs() if job.created_at >= self.since]


class _Tuning(SageMakerTuning):
    since: datetime

    def list_jobs(self) -> Sequence[TuningJob]:
        return [job for job in super().list_jobs() if job.created_at >= self.since]


class TrainingBench:
    def __init__(self, folder: Path) -> None:
        self._own = Own(folder)
        self.platform: TrainingPlatform = self._own.training

    def request(self, name: str, behaviour: int = trainer.FINISHES, *, key: str = "") -> TrainingRequest:
        from tests.contract.training_platforms import request

        made = request(name, behaviour, key=f"{self._own.mark}-{key or name}")
        return replace(made, compute=COMPUTE)

    def kill(self, name: str) -> None:
        raise AssertionError("nobody can make a machine of AWS crash")

    def hold_back(self) -> None:
        """Nothing to do: a job of SageMaker's does not begin for a minute."""

    def close(self) -> None:
        self._own.reap()


class TuningBench:
    def __init__(self, folder: Path) -> None:
        self._own = Own(folder)
        self.training: TrainingPlatform = self._own.training
        tuning = _Tuning(self._own.aws, self._own.training.records, site=self._own.site, start=self._own.start)
        tuning.since = self._own.since
        self.platform: TuningPlatform = tuning

    def request(self, name: str, behaviour: int = trainer.FINISHES, **given: Any) -> TuningRequest:
        from tests.contract.tuning_platforms import request

        key = f"{self._own.mark}-{given.pop('key', name)}"
        return request(name, behaviour, key=key, compute=COMPUTE, **given)

    def kill_all(self) -> None:
        for job in self.platform.list_jobs():
            if not job.status.is_terminal:
                with suppress(DigitsError):
                    self.platform.stop(job.name, StopMode.NOW)
        self._own.reap()

    def kill(self, name: str) -> None:
        raise AssertionError("a search on SageMaker has no process of its own that could die")


def stand_in() -> bytes:
    """The stand-in trainer as training code that ships."""
    files = {
        "train.py": _START,
        "stand_in.py": (ROOT / "tests/fakes/trainer.py").read_bytes(),
        "requirements.txt": b"",
        "backend/__init__.py": b"",
        "backend/digits/__init__.py": b"",
        "backend/digits/metric_lines.py": (ROOT / "backend/digits/metric_lines.py").read_bytes(),
    }
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()
