"""The program and its verbs, in the order in which `--help` lists them."""

from __future__ import annotations

from argparse import ArgumentParser

from backend.cli import serving
from backend.cli.verbs.asking import add_asking
from backend.cli.verbs.delivery import add_delivery
from backend.cli.verbs.endpoints import add_endpoints
from backend.cli.verbs.hard_examples import add_hard_examples
from backend.cli.verbs.models import add_models
from backend.cli.verbs.promotion import add_promotion
from backend.cli.verbs.records import add_records
from backend.cli.verbs.runs import add_runs
from backend.cli.verbs.training import add_jobs, add_training, add_tuning
from backend.cli.verbs.words import Verbs
from backend.domain.training import PRESETS


def build_parser() -> ArgumentParser:
    common = ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print exactly one JSON document")
    common.add_argument(
        "--platform", choices=["local", "sagemaker"], default=None, help="where the work runs; else DIGITS_PLATFORM"
    )
    parser = ArgumentParser(prog="python -m backend", description="Train, register, promote and try digit classifiers.")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _add_first_steps(verbs, common)
    for add in (
        add_training,
        add_tuning,
        add_jobs,
        add_models,
        add_promotion,
        add_endpoints,
        add_delivery,
        add_asking,
        add_hard_examples,
        add_runs,
        add_records,
    ):
        add(verbs, common)
    stop = verbs.add_parser("stop", parents=[common], help="stop the jobs and endpoints that run on this machine")
    stop.set_defaults(run=serving.stop)
    return parser


def _add_first_steps(verbs: Verbs, common: ArgumentParser) -> None:
    doctor = verbs.add_parser("doctor", parents=[common], help="check every dependency and say what mends it")
    doctor.set_defaults(run=serving.doctor)
    quickstart = verbs.add_parser(
        "quickstart", parents=[common], help="train, evaluate, register, approve, deploy to staging and prod"
    )
    quickstart.add_argument("--preset", default="fast", choices=list(PRESETS))
    quickstart.add_argument("--operation", default="", metavar="ID", help="take up the quick start with this id")
    quickstart.set_defaults(run=serving.quickstart)
