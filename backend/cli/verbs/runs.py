"""What W&B recorded: read it, bring it there."""

from __future__ import annotations

from argparse import ArgumentParser

from backend.cli import run_sync, runs
from backend.cli.verbs.words import Verbs
from backend.domain.tracking import RunState
from backend.services.run_sync import RUN_SECONDS


def add_runs(verbs: Verbs, common: ArgumentParser) -> None:
    actions = verbs.add_parser("runs", help="what W&B recorded; sync it").add_subparsers(required=True)
    listing = actions.add_parser("list", parents=[common])
    for name in ("--project", "--group", "--text"):
        listing.add_argument(name, default="")
    listing.add_argument("--state", choices=[state.value for state in RunState], default="")
    listing.add_argument("--tag", action="append", default=[], help="only runs with this tag; may be repeated")
    listing.add_argument("--limit", type=int, default=1_000)
    listing.set_defaults(run=runs.list_runs)
    show = actions.add_parser("show", parents=[common])
    show.add_argument("id", help="the run's id, or project/id")
    show.set_defaults(run=runs.show)
    history = actions.add_parser("history", parents=[common], help="the logged numbers, a row for each step")
    history.add_argument("id", help="the run's id, or project/id")
    history.add_argument("--metric", action="append", default=[], help="only this one; may be repeated")
    history.add_argument("--limit", type=int, default=0, help="only the last rows")
    history.set_defaults(run=runs.history)
    sync = actions.add_parser("sync", parents=[common], help="upload runs that were recorded offline")
    sync.add_argument("name", nargs="*", help="a run's id, or project/id")
    sync.add_argument("--all", action="store_true", help="every run that is not on the server yet")
    sync.add_argument("--timeout", type=float, default=RUN_SECONDS, metavar="SECONDS", help="for each run")
    sync.add_argument("--operation", default="", metavar="ID", help="id of the record, to follow it elsewhere")
    sync.set_defaults(run=run_sync.sync)
