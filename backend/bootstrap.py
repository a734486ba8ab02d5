"""The composition root: the one place that chooses adapters and hands them to services."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from backend.adapters.local.candidates import LocalCandidates
from backend.adapters.local.database import Database
from backend.adapters.local.evaluator import LocalEvaluator
from backend.adapters.local.gate_file import read_gates
from backend.adapters.local.home import Home
from backend.adapters.local.identity import MachineUser
from backend.adapters.local.log_file import write_log
from backend.adapters.local.processes import is_held
from backend.adapters.sagemaker.account import Account
from backend.adapters.wandb.offline import OfflineRuns
from backend.assembly import Backend, assemble
from backend.errors import DigitsError, InvalidInputError
from backend.settings import ROOT, Settings
from backend.wiring.environment import child_environment
from backend.wiring.github import pull_requests as configured_pull_requests
from backend.wiring.local import local_platform
from backend.wiring.wandb import wandb_server

SERVING_ENVIRONMENT: Final = ROOT / ".venv-serving"


def lacking(settings: Settings) -> DigitsError | None:
    """Which setting the platform that they name cannot do without; None when all are there. Asks and loads nothing."""
    if settings.platform == "sagemaker":
        try:
            Account.from_environ(child_environment(settings))
        except InvalidInputError as error:
            return error
    return None


def connect(settings: Settings, *, watched: bool = False) -> Backend:
    """The backend of the platform that the settings name. Opens the database; starts nothing.

    `watched` is for a dashboard: what is far away is then asked in the background, and reads never wait for it.
    """
    home = Home(settings.home)
    database = Database(home.database)
    write_log(home.log)
    environment = child_environment(settings)
    cloud, uploads, probe = wandb_server(settings, home, environment, _now)
    if settings.platform == "sagemaker":
        from backend.wiring.sagemaker import sagemaker_platform  # boto3 is loaded for those who use it

        platform = sagemaker_platform(settings, home=home, environment=environment, wandb=probe, watched=watched)
    else:
        platform = local_platform(
            settings,
            home=home,
            database=database,
            environment=environment,
            serving_environment=SERVING_ENVIRONMENT,
            wandb=probe,
        )
    return assemble(
        settings,
        identity=MachineUser(settings.role, environment),
        home=home,
        database=database,
        training=platform.training,
        tuning=platform.tuning,
        serving=platform.serving,
        load=platform.load,
        candidates=LocalCandidates(environment=environment),
        evaluator=LocalEvaluator(environment=environment),
        environment=environment,
        readers=[
            OfflineRuns(
                settings.run_folders, home.root / "cache" / "runs", alive=lambda name: _is_recording(home, name)
            ),
            *cloud,
        ],
        uploads=uploads,
        declared=lambda: read_gates(settings.gates),
        probes=platform.probes,
        stores=platform.stores,
        fleets=platform.fleets,
        upkeep=platform.upkeep,
        sites=platform.sites,
        archives=platform.archives,
        pull_requests=configured_pull_requests(settings),
        refusal=platform.refusal,
        freshness=platform.freshness,
    )


def _is_recording(home: Home, run: str) -> bool | None:
    """Whether the job that a run has its name of lives; None for runs of other people's programs."""
    if Path(run).name != run:
        return None  # a stranger's run may be called anything
    lock = home.job(run).lock
    return is_held(lock) if lock.exists() else None


def _now() -> datetime:
    return datetime.now(UTC)
