"""Ask what serves: under load, about image files, about test images."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from backend.cli import endpoints, samples, serving
from backend.cli.verbs.words import STAGES, Verbs
from backend.domain.loadtest import MAX_CONCURRENCY, MAX_SECONDS
from backend.domain.samples import Difficulty
from backend.domain.serving import Stage


def add_asking(verbs: Verbs, common: ArgumentParser) -> None:
    load = verbs.add_parser("loadtest", parents=[common], help="ask a stage as hard as many clients would")
    load.add_argument("--stage", choices=STAGES, default=Stage.STAGING.value)
    load.add_argument("--concurrency", type=int, default=8, help=f"connections, 1 to {MAX_CONCURRENCY}")
    load.add_argument("--seconds", type=int, default=10, help=f"1 to {MAX_SECONDS}")
    load.set_defaults(run=endpoints.load_test)

    predict = verbs.add_parser("predict", parents=[common], help="ask a stage about image files")
    predict.add_argument("--stage", choices=STAGES, default=Stage.STAGING.value)
    predict.add_argument("file", nargs="+", type=Path, help="any image, or an .npy of uint8 [28, 28]")
    predict.set_defaults(run=serving.predict)

    found = verbs.add_parser("samples", parents=[common], help="test images to try, by digit and difficulty")
    found.add_argument("--digit", type=int, choices=range(10), metavar="DIGIT", help="0 to 9; all without it")
    found.add_argument(
        "--difficulty", choices=[one.value for one in Difficulty], help="as the versions that serve fared"
    )
    found.add_argument("--count", type=int, default=10, help="the first so many")
    found.add_argument("--ask", action="store_true", help="ask every stage that serves, and say who is right")
    found.set_defaults(run=samples.samples)
