"""What the doctor asks of W&B: does its server take the key, what does it have, how long does it take."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from backend.adapters.wandb.cloud_process import CloudProcess
from backend.adapters.wandb.cloud_trouble import Asked, CloudTroubleError, explained
from backend.ports.probes import Probe

_SECONDS: Final = 20.0
"""The client starts in two seconds, on a busy machine in ten."""


def wandb_probe(process: CloudProcess | None, asked: Asked, *, recorded_in: Path) -> Probe:
    """`process` is None without a key; runs are then recorded in `recorded_in` alone, which is no fault."""

    def look() -> str:
        if process is None:
            return f"no key: runs are recorded offline in {recorded_in}"
        try:
            found = process.ask("check", seconds=_SECONDS, entity=asked.entity, project=asked.project)
        except CloudTroubleError as error:
            raise explained(error.trouble, asked) from error
        where = f"{found['entity']}/{asked.project}"
        has = f"{found['runs']:,} runs in {where}" if found["runs"] >= 0 else f"no project {where} yet"
        return f"{asked.host} takes the key and has {has}; it answered in {found['milliseconds']:.0f} ms"

    return Probe(name="W&B", look=look)
