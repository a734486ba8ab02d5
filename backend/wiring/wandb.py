"""What reads runs of a W&B server and brings them there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from backend.adapters.local.home import Home
from backend.adapters.wandb.cloud import DEFAULT_URL, CloudRuns
from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import Asked
from backend.adapters.wandb.probe import wandb_probe
from backend.adapters.wandb.upload import WandbUploads
from backend.ports.probes import Probe
from backend.ports.run_sync import RunUploads
from backend.ports.tracking import RunReader
from backend.settings import Settings
from backend.wiring.environment import secret


def wandb_server(
    settings: Settings, home: Home, environment: Mapping[str, str], now: Callable[[], datetime]
) -> tuple[Sequence[RunReader], RunUploads, Probe]:
    """What reads runs from a W&B server and brings them there, and the doctor's question; no reader without a key."""
    key = secret(settings.wandb_api_key)
    asked = Asked(
        base_url=settings.wandb_base_url or DEFAULT_URL, entity=settings.wandb_entity, project=settings.wandb_project
    )
    process = None
    if key:
        process = CloudProcess(
            environment, key=key, base_url=asked.base_url, entity=asked.entity, log=home.wandb_cloud / "worker.log"
        )
    readers = [CloudRuns(process, asked, folder=home.wandb_cloud, clock=now)] if process else []
    uploads = WandbUploads(process, asked, environ=environment, key=key, lock=home.wandb_cloud / "sync.lock")
    return readers, uploads, wandb_probe(process, asked, recorded_in=home.wandb)
