"""The learning rate over the steps."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
    """Linear from a tenth of `peak` up to it over the first quarter of the steps, then a cosine down to a thousandth.

    After Smith and Topin, "Super-Convergence" (https://arxiv.org/abs/1708.07120), without its momentum.
    """

    def __init__(self, peak: float, steps: int) -> None:
        self.peak = peak
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        warm_up = max(1.0, 0.25 * self.steps)
        done = ops.cast(step, "float32")
        rising = 0.1 + 0.9 * done / warm_up
        share = ops.clip((done - warm_up) / max(1.0, self.steps - warm_up), 0.0, 1.0)
        falling = 0.001 + 0.999 * 0.5 * (1.0 + ops.cos(math.pi * share))
        return self.peak * ops.where(done < warm_up, rising, falling)

    def get_config(self) -> dict[str, Any]:
        # Without it Keras cannot save the model, and says so only after the training.
        return {"peak": self.peak, "steps": self.steps}


def learning_rate(schedule: str, lr: float, steps: int) -> float | OneCycle:
    """What an optimiser takes: `lr` itself for `constant`, and for `onecycle` its cycle over `steps`."""
    return OneCycle(lr, steps) if schedule == "onecycle" else lr


def second_moment_decay(schedule: str, steps: int) -> float:
    """Adam's `beta_2` for a training of so many steps.

    The usual 0.999 remembers 1,000 steps, more than a short training has, and its rates settle too late. A one-cycle
    remembers a twentieth of its steps instead, from 20 to 1,000. Measured on 10,000 validation images, four seeds of
    430 steps: 99.31 % instead of 99.20; over 1,600 steps it made no difference.
    """
    if schedule != "onecycle":
        return 0.999
    return 1.0 - 1.0 / min(max(steps / 20.0, 20.0), 1000.0)
