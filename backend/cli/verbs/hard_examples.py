"""Corrected drawings, and the sets of them."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from backend.cli import hard_examples
from backend.cli.verbs.words import STAGES, Verbs
from backend.domain.example_sets import NOW


def add_hard_examples(verbs: Verbs, common: ArgumentParser) -> None:
    actions = verbs.add_parser("hard-examples", help="corrected drawings, and sets of them").add_subparsers(
        required=True
    )
    actions.add_parser("list", parents=[common]).set_defaults(run=hard_examples.list_examples)
    export = actions.add_parser("export", parents=[common], help="write the file that a training would be handed")
    export.add_argument("file", type=Path)
    export.add_argument("--set", default=NOW, metavar="SET", help="a set by its name or SHA-256; those of now without")
    export.set_defaults(run=hard_examples.export)
    add = actions.add_parser("add", parents=[common], help="ask a stage about pictures, and keep them under a label")
    add.add_argument("file", type=Path, nargs="+", help="any image, or an .npy of uint8 [28, 28]")
    add.add_argument("--label", type=int, required=True, metavar="DIGIT", help="what they are: 0 to 9")
    add.add_argument("--stage", choices=STAGES, required=True, help="whose answer it corrects")
    add.set_defaults(run=hard_examples.add)
    remove = actions.add_parser("remove", parents=[common])
    remove.add_argument("id", help="as `hard-examples list` shows it")
    remove.set_defaults(run=hard_examples.remove)
    keep = actions.add_parser("keep", parents=[common], help="keep the drawings of now as a set that never changes")
    keep.add_argument("name", help="small letters, digits, dots, hyphens; at most 40")
    keep.add_argument("--comment", default="", help="why")
    keep.set_defaults(run=hard_examples.keep)
    actions.add_parser("sets", parents=[common], help="the sets there are").set_defaults(run=hard_examples.list_sets)
