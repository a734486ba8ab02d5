"""Make a stage serve a version, or again what served well before."""

from __future__ import annotations

from argparse import ArgumentParser

from backend.cli import serving
from backend.cli.verbs.words import STAGES, Verbs


def add_promotion(verbs: Verbs, common: ArgumentParser) -> None:
    promote = verbs.add_parser("promote", parents=[common], help="make a stage serve a version")
    promote.add_argument("version", type=int)
    promote.add_argument("--to", choices=STAGES, required=True)
    promote.add_argument(
        "--plan", action="store_true", help="say what would change and what the gates say; change nothing"
    )
    promote.add_argument("--override", metavar="REASON", help="why it should serve although a gate does not pass")
    promote.set_defaults(run=serving.promote)

    rollback = verbs.add_parser("rollback", parents=[common], help="make a stage serve what served well before")
    rollback.add_argument("--stage", choices=STAGES, required=True)
    rollback.set_defaults(run=serving.rollback)
    for verb in (promote, rollback):
        verb.add_argument(
            "--expected", metavar="SHA256", help="what must be served now ('none' for nothing); refused otherwise"
        )
        verb.add_argument("--deployment", default="", metavar="ID", help="id of the record, to follow it elsewhere")
