"""Train, export and evaluate one model: `python -m backend.digits.train --model lean_d --epochs 2`.

In a SageMaker container the same file is the entry script, `python train.py` or `python -m digits.train`.
"""

from __future__ import annotations

if __name__ == "__main__" and not __package__:
    # Run by its path, a file has no package to import from: make one of this folder, whatever its name.
    import importlib.util
    import runpy
    import sys
    from pathlib import Path

    _folder = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != _folder]  # our `model` is not everybody's
    _spec = importlib.util.spec_from_file_location("digits", _folder / "__init__.py")
    assert _spec and _spec.loader  # noqa: S101 - the folder of this file is a package
    sys.modules["digits"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["digits"])
    runpy.run_module("digits.train", run_name="__main__", alter_sys=True)
    sys.exit()

import dataclasses
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from . import dataset, hard_examples, metric_lines
from .checkpoint import CheckpointFolder
from .config import TrainConfig, parse_arguments
from .container import Folders, StopSignal
from .failures import ConfigError, TrainerError
from .tracking import Tracker

if TYPE_CHECKING:
    from .evaluate import Evaluation
    from .pipeline import Mix
    from .progress import EpochPoint

INTERRUPTED = 128 + signal.SIGINT
_SHOWN_MISTAKES = 16
_DRAWINGS = 6_000


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a training made: the exported model, its evaluation on the test set, and a point per epoch."""

    onnx_file: Path
    parameters: int
    evaluation: Evaluation
    curves: tuple[EpochPoint, ...]
    seconds: float


def train_and_evaluate(config: TrainConfig, folders: Folders, tracker: Tracker, stop: StopSignal) -> Result:
    """Do all that `config` says; metric lines go to standard output, files to `folders`, the same to `tracker`.

    The model is chosen by nothing that saw the test set, which is used once, at the end, on the exported file.
    Goes on from a checkpoint where `folders` has one. Raises `TrainerError`, and SystemExit when `stop` came.
    """
    began = time.monotonic()
    emit({"progress": 0.0})
    # Five seconds of imports, which nobody should have to wait for to learn that an argument is wrong.
    from . import evaluate, export, fitting, freehand, model, outputs, performance, progress, qat

    tracker.start(dataclasses.asdict(config))
    data = dataset.load(config.dataset, limit=config.limit, validation_size=config.validation_size, notify=emit_notice)
    labelled = hard_examples.load(config, emit_notice)
    tracker.describe({"data": outputs.describe(data, labelled)})
    mix = mixed(data, config, labelled)
    fitting.make_reproducible(config.seed)
    with fitting.strategy().scope():
        network = model.build(config.model, dropout=config.dropout, precision=config.train_precision)
    listener = progress.Listener(report=emit, on_epoch=lambda point: tracker.log(_tracked(point)), notify=emit_notice)
    parameters = network.count_params()
    with stop.deferred():
        if config.export == export.QUANTISATION_AWARE:
            network, curves = qat.train(network, data, mix, config, listener, folder=folders.checkpoints, stop=stop)
        else:
            kept = CheckpointFolder(folders.checkpoints, config, emit_notice) if config.checkpoint_minutes else None
            curves = fitting.fit(network, data, mix, config, listener, checkpoints=kept, stop=stop)
            network = network if config.train_precision == "fp32" else model.in_float32(network)
    checked = export.checked_images(data)
    onnx_file = export.export(
        network,
        folders.model,
        checked,
        precision=config.export,
        calibration=export.calibration_images(data),
        instance=config.serving_instance,
    )
    if config.saved_model == "yes":
        export.save_tensorflow(network, folders.output_data / "saved_model", checked)
    evaluation = evaluate.evaluate(onnx_file, data.test_images, data.test_labels)
    drawn = evaluate.evaluate(onnx_file, *freehand.held_out())
    measured = performance.measure(onnx_file, data.test_images, precision=config.export)
    outputs.write_outputs(
        folders.output_data,
        config=config,
        data=data,
        labelled=labelled,
        evaluation=evaluation,
        drawn=drawn,
        curves=curves,
        parameters=parameters,
        measured=measured,
    )
    tracker.summarise(
        {
            "test/accuracy": evaluation.accuracy,
            "test/loss": evaluation.loss,
            "freehand/accuracy": drawn.accuracy,
            **{f"file/{name}": value for name, value in dataclasses.asdict(measured).items()},
        }
    )
    _show_mistakes(tracker, data, evaluation)
    emit(
        {
            "progress": 1.0,
            "test_accuracy": evaluation.accuracy,
            "test_loss": evaluation.loss,
            "freehand_accuracy": drawn.accuracy,
            "model_bytes": measured.file_bytes,
            "latency_p50_ms": measured.latency_p50_ms,
            "latency_p99_ms": measured.latency_p99_ms,
            "images_per_second": measured.images_per_second,
        }
    )
    return Result(
        onnx_file=onnx_file,
        parameters=parameters,
        evaluation=evaluation,
        curves=curves,
        seconds=time.monotonic() - began,
    )


def mixed(data: dataset.Dataset, config: TrainConfig, labelled: dataset.Part | None = None) -> Mix:
    """The training images; with a share of drawings as many as are made up in some seconds; and the `labelled`."""
    from . import freehand
    from .pipeline import Mix

    others = []
    if config.freehand:
        others.append((dataset.Part.whole(*freehand.generate(_DRAWINGS, seed=config.seed)), config.freehand))
    if labelled:
        others.append((labelled, config.hard_examples))
    return Mix(data.train, tuple(others))


def emit(metrics: Mapping[str, float | int]) -> None:
    """A metric line on standard output."""
    _write(metric_lines.format_line(metrics))


def emit_notice(text: str) -> None:
    """A sentence for the person who looks at the job, on standard output."""
    _write(metric_lines.format_notice(text))


def run(arguments: Sequence[str], folders: Folders, tracker: Tracker, stop: StopSignal) -> int:
    """Train as the arguments say and return the exit code: 0, 2 for bad arguments, 143 when it was stopped (130 from
    the keyboard), 1 for any other failure. Codes 1 and 2 leave a reason in the failure file.
    """
    try:
        train_and_evaluate(parse_arguments(arguments), folders, tracker, stop)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return _fail(folders, str(error), code=2)
    except TrainerError as error:
        traceback.print_exc()
        return _fail(folders, str(error), code=1)
    except BaseException as error:  # noqa: BLE001 - whatever it was, the platform must learn why
        traceback.print_exc()
        return _fail(folders, f"{type(error).__name__}: {error}", code=1)
    return 0


def main() -> NoReturn:
    """Run the command line of this process and leave it, even if W&B would rather not."""
    stop = StopSignal()
    signal.signal(signal.SIGTERM, stop)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    tracker = Tracker(os.environ, emit_notice)
    code = run(sys.argv[1:], Folders.from_environ(os.environ), tracker, stop)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending already
    finished = tracker.finish(code)
    sys.stdout.flush()
    sys.stderr.flush()
    if not finished:
        os._exit(code)
    sys.exit(code)


def _fail(folders: Folders, reason: str, *, code: int) -> int:
    try:
        folders.write_failure(reason)
    except OSError as error:
        sys.stderr.write(f"The reason could not be written to '{folders.output}': {error}.\n")
    return code


def _write(line: str) -> None:
    # One write: W&B's thread reports its troubles here too.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _tracked(point: EpochPoint) -> dict[str, float | int]:
    return {
        "epoch": point.epoch,
        "train/loss": point.train_loss,
        "train/accuracy": point.train_accuracy,
        "val/loss": point.val_loss,
        "val/accuracy": point.val_accuracy,
        "learning_rate": point.learning_rate,
        "seconds": point.seconds,
    }


def _show_mistakes(tracker: Tracker, data: dataset.Dataset, evaluation: Evaluation) -> None:
    """The test digits that the model got wrong, the surest mistakes first."""
    predicted, confidence = evaluation.probabilities.argmax(axis=1), evaluation.probabilities.max(axis=1)
    wrong = (predicted != evaluation.labels).nonzero()[0]
    shown = wrong[confidence[wrong].argsort()[::-1]][:_SHOWN_MISTAKES]
    captions = [f"{data.test_labels[i]} taken for {predicted[i]} ({confidence[i]:.0%})" for i in shown]
    if captions:
        tracker.show("test/mistakes", data.test_images[shown], captions)


if __name__ == "__main__":
    main()
