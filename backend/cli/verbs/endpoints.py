"""Look after the endpoints of the stages."""

from __future__ import annotations

from argparse import ArgumentParser

from backend.cli import endpoints, upkeep
from backend.cli.verbs.words import STAGES, Verbs
from backend.domain.traffic import Span


def add_endpoints(verbs: Verbs, common: ArgumentParser) -> None:
    both = verbs.add_parser("endpoints", parents=[common], help="what the stages serve; restart or delete one")
    both.set_defaults(run=endpoints.list_endpoints)
    actions = both.add_subparsers(metavar="ACTION")
    for name, run, what in (
        ("restart", endpoints.restart, "let a stage that is down serve again what it should"),
        ("delete", endpoints.delete, "stop serving a stage"),
        ("scale", endpoints.scale, "show or change how many instances serve a stage"),
        ("alarms", endpoints.alarms, "make the alarms that take a bad version back"),
        ("traffic", upkeep.traffic, "requests, times and answers of the past, and since when nobody asks"),
        ("logs", upkeep.logs, "what a stage's server wrote"),
        ("extend", upkeep.extend, "show or change until when staging serves"),
    ):
        action = actions.add_parser(name, parents=[common], help=what)
        action.add_argument("--stage", choices=STAGES, required=True)
        action.set_defaults(run=run)
        if name == "scale":
            action.add_argument("--instances", type=int, help="this many, from now on")
            action.add_argument("--min", type=int, dest="minimum", help="with --max and --per-minute: by load")
            action.add_argument("--max", type=int, dest="maximum")
            action.add_argument("--per-minute", type=int, help="requests that an instance should get a minute")
            action.add_argument("--by-hand", action="store_true", help="no longer by load")
        if name == "traffic":
            spans = [span.value for span in Span]
            action.add_argument("--span", choices=spans, default=Span.HOUR.value, help="how far back")
        if name == "logs":
            action.add_argument("--source", default="", help="whose; the server's without it")
            action.add_argument("--bytes", type=int, default=16_000, help="the last so many")
        if name == "extend":
            action.add_argument("--hours", type=float, help="so much longer; from now on if it had no limit")
            action.add_argument("--no-limit", action="store_true", help="until it is deleted")
