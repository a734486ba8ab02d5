"""Launch trainings and searches, and look after the jobs."""

from __future__ import annotations

from argparse import ArgumentParser

from backend.cli import jobs, tuning
from backend.cli.verbs.words import Verbs
from backend.domain.search_space import DEFAULT_SPACE
from backend.domain.training import PRESETS
from backend.domain.tuning import OBJECTIVES, Direction, Strategy


def add_training(verbs: Verbs, common: ArgumentParser) -> None:
    train = verbs.add_parser("train", parents=[common], help="launch a training job")
    train.add_argument("--preset", default="fast", choices=list(PRESETS))
    for name in ("--epochs", "--lr", "--batch-size", "--dataset", "--limit", "--seed", "--train-precision", "--export"):
        train.add_argument(name, default=None)
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other hyperparameter")
    train.add_argument("--name", default="", help="the job's name; made from the preset and the time without it")
    _add_compute(train)
    train.add_argument("--wait", action="store_true", help="follow the job until it has ended")
    train.set_defaults(run=jobs.train)


def add_tuning(verbs: Verbs, common: ArgumentParser) -> None:
    tune = verbs.add_parser("tune", parents=[common], help="search for good hyperparameters")
    tune.add_argument("--preset", default="fast", choices=list(PRESETS), help="what the trials have in common")
    tune.add_argument(
        "--space",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help=f"A,B,C or range(LOW,HIGH) or log(LOW,HIGH); without any: {' and '.join(DEFAULT_SPACE)}",
    )
    tune.add_argument("--autotune", action="store_true", help="search around the preset's own values")
    tune.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a hyperparameter of every trial")
    tune.add_argument("--strategy", default=Strategy.BAYESIAN.value, choices=[strategy.value for strategy in Strategy])
    tune.add_argument("--objective", default="val_accuracy", choices=list(OBJECTIVES))
    tune.add_argument("--direction", choices=[direction.value for direction in Direction], help="the objective's own")
    tune.add_argument("--max-jobs", type=int, default=6, help="trials in all")
    tune.add_argument("--max-parallel", type=int, default=1, help="trials at once")
    tune.add_argument("--early-stopping", action="store_true", help="end trials that do worse than others did")
    tune.add_argument("--seed", type=int, default=0, help="of the search")
    tune.add_argument("--warm-start", default="", metavar="JOB", help="learn from this tuning job's trials first")
    tune.add_argument("--name", default="", help="the job's name, at most 32 characters; made from the time without it")
    _add_compute(tune)
    tune.add_argument("--wait", action="store_true", help="follow the job until it has ended")
    tune.set_defaults(run=tuning.tune)


def add_jobs(verbs: Verbs, common: ArgumentParser) -> None:
    actions = verbs.add_parser("jobs", help="list, show, follow, stop and resume jobs").add_subparsers(required=True)
    actions.add_parser("list", parents=[common]).set_defaults(run=jobs.list_jobs)
    for name, run in (("show", jobs.show), ("logs", jobs.logs), ("stop", jobs.stop), ("resume", jobs.resume)):
        action = actions.add_parser(name, parents=[common])
        action.add_argument("name")
        action.set_defaults(run=run)
        if name == "logs":
            action.add_argument("--follow", action="store_true", help="go on until the job has ended")
        if name == "stop":
            action.add_argument("--after-running", action="store_true", help="let a tuning job's running trials end")
        if name == "resume":
            action.add_argument("--wait", action="store_true", help="follow the new job until it has ended")


def _add_compute(verb: ArgumentParser) -> None:
    """Where the platform has a choice; one that has none says so."""
    verb.add_argument("--instance-type", default="", metavar="TYPE", help="for example ml.c5.2xlarge")
    verb.add_argument("--spot", action="store_true", help="spare capacity: cheaper, may be interrupted")
    verb.add_argument("--max-minutes", type=int, default=0, help="stop after so much work; 0 is the platform's limit")
    verb.add_argument("--max-wait-minutes", type=int, default=0, help="with --spot: work and waiting together")
