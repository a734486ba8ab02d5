"""What the repository declares: deploy it, tear it down, tell a pull request, change it."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from backend.cli import declaring, delivering
from backend.cli.verbs.words import STAGES, Verbs


def add_delivery(verbs: Verbs, common: ArgumentParser) -> None:
    deploy = verbs.add_parser("deploy", parents=[common], help="bring what the repository declares to a stage")
    deploy.add_argument("--config", type=Path, metavar="FILE", help="else DIGITS_MODEL_CONFIG")
    deploy.add_argument("--tag", action="append", default=[], metavar="K=V", help="on the endpoint; may be repeated")
    deploy.add_argument(
        "--expected", metavar="SHA256", help="what must be served now ('none' for nothing); refused otherwise"
    )
    deploy.add_argument(
        "--changed-since", default="", metavar="COMMIT", help="do nothing when no value that matters changed since"
    )
    deploy.add_argument("--plan", action="store_true", help="say what would change; change nothing")
    deploy.add_argument("--evidence", type=Path, metavar="FILE", help="write what was found out, as Markdown")
    deploy.add_argument("--outputs", type=Path, metavar="FILE", help="append NAME=VALUE lines for later steps")
    deploy.set_defaults(run=delivering.deploy)
    teardown = verbs.add_parser("teardown", parents=[common], help="remove what deploy brought to staging or beside it")
    which = teardown.add_mutually_exclusive_group()
    which.add_argument("--pull-request", type=int, metavar="N", help="every endpoint of this pull request")
    which.add_argument("--expired", action="store_true", help="every endpoint beside the stage whose time has passed")
    teardown.add_argument("--keep", default="", metavar="S", help="with --pull-request: but the one with this suffix")
    teardown.set_defaults(run=delivering.teardown)
    for verb in (deploy, teardown):
        verb.add_argument("--stage", choices=STAGES, required=True)
    for holder in (deploy, which):
        holder.add_argument(
            "--name-suffix", default="", metavar="S", help="the endpoint beside the stage with this in its name"
        )
    comment = verbs.add_parser("comment", parents=[common], help="write evidence on a pull request, once")
    comment.add_argument("--pull-request", type=int, required=True, metavar="N")
    comment.add_argument("--file", type=Path, required=True, metavar="FILE", help="as `deploy --evidence` wrote it")
    comment.set_defaults(run=delivering.comment)

    shown = verbs.add_parser("declared", parents=[common], help="what the repository declares, and what is served")
    shown.set_defaults(run=declaring.declared)
    declare = verbs.add_parser("declare", parents=[common], help="the change that declares a version")
    declare.add_argument("version", type=int)
    how = declare.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="make it in the file here")
    how.add_argument("--propose", action="store_true", help="open a pull request with it")
    declare.set_defaults(run=declaring.declare)
