"""Register, evaluate, compare and decide about model versions."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from backend.cli import comparing, models
from backend.cli.verbs.words import Verbs
from backend.domain.predictions import DataKind
from backend.domain.statistics import MARGIN


def add_models(verbs: Verbs, common: ArgumentParser) -> None:
    register = verbs.add_parser(
        "register", parents=[common], help="make a model version of a completed job or of an archive, and evaluate it"
    )
    source = register.add_mutually_exclusive_group(required=True)
    source.add_argument("job", nargs="?")
    source.add_argument("--archive", type=Path, metavar="FILE", help="a model.tar.gz that was made elsewhere")
    register.set_defaults(run=models.register)

    evaluate = verbs.add_parser("evaluate", parents=[common], help="run the archives of versions over the test images")
    evaluate.add_argument("version", type=int, nargs="+")
    evaluate.add_argument(
        "--data",
        default="",
        metavar="DATA",
        help="the SHA-256 of images that are kept, or what `train --dataset` takes",
    )
    evaluate.add_argument(
        "--hard-examples", action="append", default=[], metavar="SET", help="try it on this set too; may be repeated"
    )
    evaluate.set_defaults(run=comparing.evaluate)
    compare = verbs.add_parser("compare", parents=[common], help="which of several versions is better than the first")
    compare.add_argument("base", type=int)
    compare.add_argument("version", type=int, nargs="+")
    compare.add_argument("--on", choices=[kind.value for kind in DataKind], default=DataKind.TEST.value)
    compare.add_argument(
        "--margin", type=float, default=100 * MARGIN, help="points of accuracy that do not matter (default %(default)s)"
    )
    compare.set_defaults(run=comparing.compare)

    actions = verbs.add_parser("models", help="list, show, approve, reject versions, comment on them").add_subparsers(
        required=True
    )
    actions.add_parser("list", parents=[common]).set_defaults(run=models.list_versions)
    for name, run in (
        ("show", models.show),
        ("approve", models.approve),
        ("reject", models.reject),
        ("comment", models.comment),
    ):
        action = actions.add_parser(name, parents=[common])
        action.add_argument("version", type=int)
        action.set_defaults(run=run)
        if name != "show":
            action.add_argument("--comment", default="", required=name == "comment", help="why")
