"""What SageMaker does around a container: inputs from S3, a trainer process, its log, metrics, checkpoints, outputs.

The trainer is a module of ours (the stand-in one), started with the arguments that the real containers would give: by
the SDK's drivers for a job with an entry point, by SageMaker's training toolkit for a trial, which has none.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from backend.adapters.local.packing import pack
from backend.adapters.sagemaker.session import Aws
from tests.fakes.aws.training import LOG_GROUP, Job

_POLL = 0.04
_GRACE = 5.0
_DRIVERS_LOOKED_AT = ("sm_train.sh", "sourcecode.json")
"""Of the SDK's some thirty files, which are not run here."""
LOST = "InternalServerError: We encountered an internal error. Please try again."


class TrainerContainer:
    """Runs `module` for each job; with None the very code that the job shipped, unpacked as its container would."""

    def __init__(self, aws: Aws, module: str | None = "tests.fakes.trainer") -> None:
        self._aws = aws
        self._module = module

    def __call__(self, job: Job) -> None:
        job.move("Downloading")
        with tempfile.TemporaryDirectory(prefix="fake-container-") as root:
            try:
                _Run(self._aws, job, Path(root), self._module).run()
            except ClientError as error:
                job.end("Failed", f"ClientError: {error}")


class _Run:
    def __init__(self, aws: Aws, job: Job, root: Path, module: str | None) -> None:
        self._aws, self._job, self._root, self._module = aws, job, root, module
        self._asked: Mapping[str, Any] = job.asked
        self._model, self._output = root / "model", root / "output"
        self._checkpoints, self._input = root / "checkpoints", root / "input"
        self._synced: dict[Path, float] = {}
        self._lines: list[tuple[int, str]] = []
        self._lock = threading.Lock()
        self._patterns = [
            (one["Name"], re.compile(one["Regex"]))
            for one in self._asked["AlgorithmSpecification"].get("MetricDefinitions", [])
        ]

    def run(self) -> None:
        for folder in (self._model, self._output / "data", self._checkpoints, self._input):
            folder.mkdir(parents=True)
        for channel in self._asked.get("InputDataConfig", []):
            uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
            if not self._download(uri, self._input / channel["ChannelName"]):
                self._job.end("Failed", f"ClientError: Data download failed: No S3 objects found under '{uri}'.")
                return
        if "CheckpointConfig" in self._asked:
            self._download(self._asked["CheckpointConfig"]["S3Uri"].rstrip("/") + "/", self._checkpoints)
        wrong = self._wrong_source()
        if wrong:
            self._job.end("Failed", f"AlgorithmError: {wrong}, exit code: 1")
            return
        self._job.told["TrainingStartTime"] = datetime.now(UTC)
        self._job.move("Training")
        code = self._train()
        self._conclude(code)

    def _train(self) -> int:
        start = ["train.py"] if self._module is None else ["-m", self._module]
        process = subprocess.Popen(
            [sys.executable, *start, *_arguments(self._asked)],
            cwd=self._unpacked() if self._module is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            text=True,
        )
        reader = threading.Thread(target=self._copy, args=(process.stdout,), daemon=True)
        reader.start()
        asked_at: float | None = None
        while process.poll() is None:
            self._sync()
            self._flush()
            if self._job.killed.is_set():
                process.kill()
            elif self._job.stop.is_set() and asked_at is None:
                asked_at = time.monotonic()
                process.send_signal(signal.SIGTERM)
            elif asked_at is not None and time.monotonic() - asked_at > _GRACE:
                process.kill()
            time.sleep(_POLL)
        reader.join(timeout=5)
        assert process.stdout is not None
        process.stdout.close()
        self._flush()
        return process.returncode

    def _conclude(self, code: int) -> None:
        job = self._job
        if job.killed.is_set():
            if not job.stop.is_set():
                job.end("Failed", LOST)
            return
        self._sync()
        job.move("Uploading")
        prefix = f"{self._asked['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output"
        archives = {"output.tar.gz": self._output / "data"}
        if code == 0:
            archives["model.tar.gz"] = self._model
        for name, folder in archives.items():
            pack(folder, self._root / name)
            bucket, key = _split(f"{prefix}/{name}")
            self._aws.s3("write").upload_file(str(self._root / name), bucket, key)
        if code == 0:
            job.end("Completed")
        elif job.stop.is_set():
            job.end("Stopped")
        else:
            job.end("Failed", f"AlgorithmError: {self._reason(code)}, exit code: {code}")

    def _reason(self, code: int) -> str:
        failure = self._output / "failure"
        if _by_toolkit(self._asked):
            # The training toolkit writes over the script's own file, with what the script wrote to standard error.
            said = "\n".join(line for _, line in self._all[-3:])
            return f'ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "{said}"\nCommand "python3 train.py"'
        if failure.is_file():
            return failure.read_text()
        return (
            "Training Execution failed. For more details, see CloudWatch logs at 'aws/sagemaker/TrainingJobs'.\n"
            f"TrainingJob - {self._job.name}"
        )

    def _wrong_source(self) -> str:
        """Whether the container would find the script that it is to start."""
        if not _by_toolkit(self._asked):
            drivers, code = self._input / "sm_drivers", self._input / "code"
            if not (drivers / "sm_train.sh").is_file():
                return "sm_train.sh: No such file or directory"
            told = json.loads((drivers / "sourcecode.json").read_text())
            with tarfile.open(code / Path(told["source_dir"]).name) as tar:  # as `cd code; tar -xzf` in sm_train.sh
                missing = {told["entry_script"], told["requirements"]} - set(tar.getnames())
            return f"can't open file '{missing.pop()}'" if missing else ""
        given = self._asked["HyperParameters"]
        bucket, key = _split(given["sagemaker_submit_directory"])
        with tarfile.open(fileobj=io.BytesIO(self._aws.s3().get_object(Bucket=bucket, Key=key)["Body"].read())) as tar:
            return "" if given["sagemaker_program"] in tar.getnames() else "no such program in the source"

    def _unpacked(self) -> Path:
        """The shipped source in a folder of its own."""
        folder = self._root / "code"
        if _by_toolkit(self._asked):
            bucket, key = _split(self._asked["HyperParameters"]["sagemaker_submit_directory"])
            raw = self._aws.s3().get_object(Bucket=bucket, Key=key)["Body"].read()
        else:
            raw = next((self._input / "code").glob("*.tar.gz")).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
            tar.extractall(folder, filter="data")
        return folder

    def _environment(self) -> dict[str, str]:
        told = self._asked.get("Environment", {})
        channels = {
            f"SM_CHANNEL_{folder.name.upper()}": str(folder)
            for folder in self._input.iterdir()
            if folder.name not in ("code", "sm_drivers")
        }
        return {
            "PATH": os.environ["PATH"],
            **({} if self._module is None else {"PYTHONPATH": str(Path.cwd())}),
            **told,
            **channels,
            "TRAINING_JOB_NAME": self._job.name,
            "SM_MODEL_DIR": str(self._model),
            "SM_OUTPUT_DIR": str(self._output),
            "SM_OUTPUT_DATA_DIR": str(self._output / "data"),
            "DIGITS_CHECKPOINTS": str(self._checkpoints),  # the real ones are at /opt/ml
            "WANDB_DIR": str(self._output / "data"),
        }

    _all: list[tuple[int, str]]

    def _copy(self, stdout: Any) -> None:
        self._all = []
        for line in stdout:
            entry = (int(time.time() * 1000), line.rstrip("\n"))
            with self._lock:
                self._lines.append(entry)
                self._all.append(entry)
            for name, pattern in self._patterns:
                if found := pattern.search(line):
                    self._job.report(name, float(found[1]))

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            write_log(self._aws, f"{self._job.name}/algo-1-{int(self._job.told['CreationTime'].timestamp())}", lines)

    def _sync(self) -> None:
        if "CheckpointConfig" not in self._asked:
            return
        bucket, prefix = _split(self._asked["CheckpointConfig"]["S3Uri"].rstrip("/") + "/")
        for path in self._checkpoints.rglob("*"):
            if path.is_file() and self._synced.get(path) != path.stat().st_mtime_ns:
                self._synced[path] = path.stat().st_mtime_ns
                key = prefix + path.relative_to(self._checkpoints).as_posix()
                self._aws.s3("write").put_object(Bucket=bucket, Key=key, Body=path.read_bytes())

    def _download(self, uri: str, folder: Path) -> bool:
        bucket, prefix = _split(uri)
        found = False
        for page in self._aws.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                path = folder / (entry["Key"].removeprefix(prefix).lstrip("/") or Path(prefix).name)
                found = True
                if folder.name == "sm_drivers" and path.name not in _DRIVERS_LOOKED_AT:
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._aws.s3().get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
        return found


def write_log(aws: Aws, stream: str, lines: list[tuple[int, str]]) -> None:
    """Lines with their times in milliseconds, as the agent of a container writes them."""
    for make in (
        lambda: aws.logs.create_log_group(logGroupName=LOG_GROUP),
        lambda: aws.logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream),
    ):
        try:
            make()
        except aws.logs.exceptions.ResourceAlreadyExistsException:
            continue
    for first in range(0, len(lines), 1000):
        events = [{"timestamp": at, "message": line or " "} for at, line in lines[first : first + 1000]]
        aws.logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=stream, logEvents=events)  # type: ignore[arg-type]


def _arguments(asked: Mapping[str, Any]) -> Iterator[str]:
    """What the container makes of the hyperparameters.

    The drivers pass each on as `--name value`. The toolkit keeps those that are for itself, and adds `--model_dir`, as
    that of the TensorFlow image does.
    """
    given: Mapping[str, str] = asked.get("HyperParameters", {})
    for name, text in given.items():
        if name.startswith(("sagemaker_", "_tuning_")):
            continue
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        yield from (f"--{name}", value if isinstance(value, str) else json.dumps(value))
    if _by_toolkit(asked):
        yield from ("--model_dir", "/opt/ml/model")


def _by_toolkit(asked: Mapping[str, Any]) -> bool:
    return "ContainerEntrypoint" not in asked["AlgorithmSpecification"]


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
