"""What was done, whether the stages serve what they should, and what they served when."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from backend.cli import audit, deployments, guarding
from backend.cli.verbs.words import STAGES, Verbs


def add_records(verbs: Verbs, common: ArgumentParser) -> None:
    events = verbs.add_parser("audit", parents=[common], help="what was done, by whom, newest first")
    events.add_argument("action", nargs="?", choices=["list"], default="list")
    events.add_argument("--since", default="", metavar="TIME", help="ISO time, UTC unless it says otherwise")
    events.add_argument("--until", default="", metavar="TIME", help="ISO time; not included")
    events.add_argument("--actor", action="append", default=[], help="keep events of this person; repeat for more")
    events.add_argument("--doing", action="append", default=[], metavar="ACTION", help="promote, approve, train, ...")
    events.add_argument("--outcome", action="append", default=[], help="done, refused, Succeeded, ...")
    events.add_argument("--subject", default="", help="keep events whose subject contains this")
    events.add_argument("--text", default="", help="keep events that contain this anywhere")
    events.add_argument("--correlation", default="", metavar="ID", help="all that one request caused")
    events.add_argument("--limit", type=int, default=1000, help="the newest so many")
    events.add_argument("--csv", type=Path, metavar="FILE", help="write them to a file instead")
    events.set_defaults(run=audit.list_events)

    watch = verbs.add_parser(
        "guard", parents=[common], help="whether the stages serve what they should; exit code 1 if not"
    )
    watch.add_argument("action", nargs="?", choices=["look", "restore", "accept"], default="look")
    watch.add_argument("--stage", choices=STAGES, help="all without it")
    watch.add_argument("--expected", metavar="SHA256", help="what must be served now; refused otherwise")
    watch.add_argument("--deployment", default="", metavar="ID", help="id of the record, to follow it elsewhere")
    watch.add_argument("--override", metavar="REASON", help="accept in spite of gates; for approvers, and kept")
    watch.set_defaults(run=guarding.guard)

    actions = verbs.add_parser("deployments", help="what was changed, and what a stage served when").add_subparsers(
        required=True
    )
    listed = actions.add_parser("list", parents=[common])
    listed.add_argument("--stage", choices=STAGES, help="all without it")
    listed.set_defaults(run=deployments.list_deployments)
    shown = actions.add_parser("show", parents=[common], help="one deployment with its evidence")
    shown.add_argument("deployment", metavar="ID")
    shown.add_argument("--html", type=Path, metavar="FILE", help="write the evidence as one HTML file")
    shown.set_defaults(run=deployments.show)
    at = actions.add_parser("at", parents=[common], help="what a stage served at a moment")
    at.add_argument("stage", choices=STAGES)
    at.add_argument("moment", metavar="TIME", help="ISO time, UTC unless it says otherwise")
    at.set_defaults(run=deployments.at)
