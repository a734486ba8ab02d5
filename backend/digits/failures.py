"""Why a training cannot go on.

    TrainerError
    ├── ConfigError      a hyperparameter is unknown or out of range
    ├── DatasetError     the images cannot be had, or the file is not what it should be
    ├── DivergedError    the loss is no longer a number
    └── ExportError      the exported model does not do what the trained one does

Their message is a whole paragraph for the person who launched the job; it becomes the job's failure reason.
"""

from __future__ import annotations


class TrainerError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigError(TrainerError):
    pass


class DatasetError(TrainerError):
    pass


class DivergedError(TrainerError):
    pass


class ExportError(TrainerError):
    pass
