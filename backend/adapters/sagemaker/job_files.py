"""Files that jobs read and write in the bucket: data sets, input channels, checkpoints, archives.

data/<sha256>/<file>            data sets uploaded from here, once per content
jobs/<name>/input/<channel>/    input channels
jobs/<name>/checkpoints/        kept in step with the container's /opt/ml/checkpoints by SageMaker
jobs/<name>/output/             where SageMaker puts model.tar.gz and output.tar.gz, under its own name of the job
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from backend.adapters.sagemaker.job_records import JobRecords, Launch
from backend.adapters.sagemaker.job_requests import DATA_CHANNEL, MNIST_CHANNEL, is_path
from backend.adapters.sagemaker.objects import Bucket
from backend.domain.jobs import TrainingRequest
from backend.domain.tuning import TuningRequest
from backend.errors import InvalidInputError
from backend.ports.training import Channel

_DATA_FILES: Final = frozenset({".npz", ".npy"})


def upload_channels(name: str, channels: Mapping[str, Channel], bucket: Bucket) -> dict[str, str]:
    """Keep a copy of the channels' files for the job; their addresses by channel."""
    for channel, files in channels.items():
        for file, content in files.items():
            bucket.upload(f"jobs/{name}/input/{channel}/{file}", content)
    return {channel: bucket.uri(f"jobs/{name}/input/{channel}/") for channel in channels}


def channel_addresses(
    request: TrainingRequest | TuningRequest,
    channels: Mapping[str, Channel],
    origin: str,
    bucket: Bucket,
    records: JobRecords,
) -> dict[str, str]:
    """Where the job's channels are; without any, those of the job `origin` that it comes from, if it had some."""
    if channels:
        return {channel: bucket.uri(f"jobs/{request.name}/input/{channel}/") for channel in channels}
    source = records.find(origin) if origin else None
    return {} if source is None else dict(source.channels)


def upload_data(launch: Launch, bucket: Bucket) -> Launch:
    """The launch with channels for the data set of this machine that it names, and for the MNIST file here.

    Raises `InvalidInputError` when a file is gone.
    """
    channels = dict(launch.channels)
    dataset = str(launch.request.hyperparameters.get("dataset", "auto"))
    if is_path(dataset):
        channels[DATA_CHANNEL] = _upload(Path(dataset), bucket)
    elif launch.data and not dataset.startswith("s3://"):
        channels[MNIST_CHANNEL] = _upload(Path(launch.data), bucket, "mnist.npz")
    return replace(launch, channels=channels)


def copy_checkpoints(launch: Launch, bucket: Bucket) -> tuple[str, ...]:
    """Give a resumed job a copy of its origin's checkpoints; a notice when there are none."""
    request = launch.request
    if not isinstance(request, TrainingRequest) or not request.resumed_from:
        return ()
    source, target = f"jobs/{request.resumed_from}/checkpoints/", f"jobs/{request.name}/checkpoints/"
    found = [key for key in bucket.keys(source) if not key.endswith(".partial")]
    for key in found:
        bucket.copy(key, target + key.removeprefix(source))
    return () if found else (f"Job {request.resumed_from} left no checkpoint: begun anew.",)


def _upload(path: Path, bucket: Bucket, name: str = "") -> str:
    """The S3 prefix of the file, or of the data files in the folder; uploaded unless this very content is there."""
    files: Sequence[Path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in _DATA_FILES)
    else:
        files = [path] if path.is_file() else []
    if not files:
        raise InvalidInputError(f"The data set '{path}' does not exist here, or has no .npy or .npz file.")
    found = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            found.update(f"{file.name}\0".encode() + hashlib.file_digest(content, "sha256").digest())
    prefix = f"data/{found.hexdigest()[:32]}/"
    for file in files:
        key = prefix + (name or file.name)
        if not bucket.exists(bucket.uri(key)):
            bucket.upload(key, file)
    return bucket.uri(prefix)
