"""Verbs and their options; each names the function that runs it."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction
from pathlib import Path

from backend.cli import (
    audit,
    comparing,
    declaring,
    delivering,
    deployments,
    endpoints,
    guarding,
    hard_examples,
    jobs,
    models,
    run_sync,
    runs,
    samples,
    serving,
    tuning,
    upkeep,
)
from backend.domain.example_sets import NOW
from backend.domain.loadtest import MAX_CONCURRENCY, MAX_SECONDS
from backend.domain.predictions import DataKind
from backend.domain.samples import Difficulty
from backend.domain.search_space import DEFAULT_SPACE
from backend.domain.serving import Stage
from backend.domain.statistics import MARGIN
from backend.domain.tracking import RunState
from backend.domain.traffic import Span
from backend.domain.training import PRESETS
from backend.domain.tuning import OBJECTIVES, Direction, Strategy
from backend.services.run_sync import RUN_SECONDS

_STAGES = [stage.value for stage in Stage]


def build_parser() -> ArgumentParser:
    common = ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print exactly one JSON document")
    common.add_argument(
        "--platform", choices=["local", "sagemaker"], default=None, help="where the work runs; else DIGITS_PLATFORM"
    )
    parser = ArgumentParser(prog="python -m backend", description="Train, register, promote and try digit classifiers.")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    doctor = verbs.add_parser("doctor", parents=[common], help="check every dependency and say what mends it")
    doctor.set_defaults(run=serving.doctor)
    quickstart = verbs.add_parser(
        "quickstart", parents=[common], help="train, evaluate, register, approve, deploy to staging and prod"
    )
    quickstart.add_argument("--preset", default="fast", choices=list(PRESETS))
    quickstart.add_argument("--operation", default="", metavar="ID", help="take up the quick start with this id")
    quickstart.set_defaults(run=serving.quickstart)
    _add_training(verbs, common)
    _add_tuning(verbs, common)
    _add_jobs(verbs, common)
    _add_models(verbs, common)
    _add_serving(verbs, common)
    _add_runs(verbs, common)
    _add_records(verbs, common)
    stop = verbs.add_parser("stop", parents=[common], help="stop the jobs and endpoints that run on this machine")
    stop.set_defaults(run=serving.stop)
    return parser


def _add_runs(verbs: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
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


def _add_records(verbs: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
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
    watch.add_argument("--stage", choices=_STAGES, help="all without it")
    watch.add_argument("--expected", metavar="SHA256", help="what must be served now; refused otherwise")
    watch.add_argument("--deployment", default="", metavar="ID", help="id of the record, to follow it elsewhere")
    watch.add_argument("--override", metavar="REASON", help="accept in spite of gates; for approvers, and kept")
    watch.set_defaults(run=guarding.guard)

    actions = verbs.add_parser("deployments", help="what was changed, and what a stage served when").add_subparsers(
        required=True
    )
    listed = actions.add_parser("list", parents=[common])
    listed.add_argument("--stage", choices=_STAGES, help="all without it")
    listed.set_defaults(run=deployments.list_deployments)
    shown = actions.add_parser("show", parents=[common], help="one deployment with its evidence")
    shown.add_argument("deployment", metavar="ID")
    shown.add_argument("--html", type=Path, metavar="FILE", help="write the evidence as one HTML file")
    shown.set_defaults(run=deployments.show)
    at = actions.add_parser("at", parents=[common], help="what a stage served at a moment")
    at.add_argument("stage", choices=_STAGES)
    at.add_argument("moment", metavar="TIME", help="ISO time, UTC unless it says otherwise")
    at.set_defaults(run=deployments.at)


def _add_training(verbs: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    train = verbs.add_parser("train", parents=[common], help="launch a training job")
    train.add_argument("--preset", default="fast", choices=list(PRESETS))
    for name in ("--epochs", "--lr", "--batch-size", "--dataset", "--limit", "--seed", "--train-precision", "--export"):
        train.add_argument(name, default=None)
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other hyperparameter")
    train.add_argument("--name", default="", help="the job's name; made from the preset and the time without it")
    _add_compute(train)
    train.add_argument("--wait", action="store_true", help="follow the job until it has ended")
    train.set_defaults(run=jobs.train)


def _add_tuning(verbs: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
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


def _add_compute(verb: ArgumentParser) -> None:
    """Where the platform has a choice; one that has none says so."""
    verb.add_argument("--instance-type", default="", metavar="TYPE", help="for example ml.c5.2xlarge")
    verb.add_argument("--spot", action="store_true", help="spare capacity: cheaper, may be interrupted")
    verb.add_argument("--max-minutes", type=int, default=0, help="stop after so much work; 0 is the platform's limit")
    verb.add_argument("--max-wait-minutes", type=int, default=0, help="with --spot: work and waiting together")


def _add_jobs(verbs: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
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


def _add_models(verbs: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
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


def _add_delivery(verbs: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
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
        verb.add_argument("--stage", choices=_STAGES, required=True)
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


def _add_serving(verbs: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    promote = verbs.add_parser("promote", parents=[common], help="make a stage serve a version")
    promote.add_argument("version", type=int)
    promote.add_argument("--to", choices=_STAGES, required=True)
    promote.add_argument(
        "--plan", action="store_true", help="say what would change and what the gates say; change nothing"
    )
    promote.add_argument("--override", metavar="REASON", help="why it should serve although a gate does not pass")
    promote.set_defaults(run=serving.promote)

    rollback = verbs.add_parser("rollback", parents=[common], help="make a stage serve what served well before")
    rollback.add_argument("--stage", choices=_STAGES, required=True)
    rollback.set_defaults(run=serving.rollback)
    for verb in (promote, rollback):
        verb.add_argument(
            "--expected", metavar="SHA256", help="what must be served now ('none' for nothing); refused otherwise"
        )
        verb.add_argument("--deployment", default="", metavar="ID", help="id of the record, to follow it elsewhere")

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
        action.add_argument("--stage", choices=_STAGES, required=True)
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

    _add_delivery(verbs, common)

    load = verbs.add_parser("loadtest", parents=[common], help="ask a stage as hard as many clients would")
    load.add_argument("--stage", choices=_STAGES, default=Stage.STAGING.value)
    load.add_argument("--concurrency", type=int, default=8, help=f"connections, 1 to {MAX_CONCURRENCY}")
    load.add_argument("--seconds", type=int, default=10, help=f"1 to {MAX_SECONDS}")
    load.set_defaults(run=endpoints.load_test)

    predict = verbs.add_parser("predict", parents=[common], help="ask a stage about image files")
    predict.add_argument("--stage", choices=_STAGES, default=Stage.STAGING.value)
    predict.add_argument("file", nargs="+", type=Path, help="any image, or an .npy of uint8 [28, 28]")
    predict.set_defaults(run=serving.predict)

    _add_samples(verbs, common)
    _add_hard_examples(verbs, common)


def _add_samples(verbs: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    found = verbs.add_parser("samples", parents=[common], help="test images to try, by digit and difficulty")
    found.add_argument("--digit", type=int, choices=range(10), metavar="DIGIT", help="0 to 9; all without it")
    found.add_argument(
        "--difficulty", choices=[one.value for one in Difficulty], help="as the versions that serve fared"
    )
    found.add_argument("--count", type=int, default=10, help="the first so many")
    found.add_argument("--ask", action="store_true", help="ask every stage that serves, and say who is right")
    found.set_defaults(run=samples.samples)


def _add_hard_examples(verbs: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
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
    add.add_argument("--stage", choices=_STAGES, required=True, help="whose answer it corrects")
    add.set_defaults(run=hard_examples.add)
    remove = actions.add_parser("remove", parents=[common])
    remove.add_argument("id", help="as `hard-examples list` shows it")
    remove.set_defaults(run=hard_examples.remove)
    keep = actions.add_parser("keep", parents=[common], help="keep the drawings of now as a set that never changes")
    keep.add_argument("name", help="small letters, digits, dots, hyphens; at most 40")
    keep.add_argument("--comment", default="", help="why")
    keep.set_defaults(run=hard_examples.keep)
    actions.add_parser("sets", parents=[common], help="the sets there are").set_defaults(run=hard_examples.list_sets)
