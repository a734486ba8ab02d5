"""One tree of errors; callers catch classes and never compare text.

DigitsError
├── InvalidInputError        what was asked for is malformed                       exit code 2
├── NotFoundError            no such job, version, stage, deployment               exit code 3
├── RefusedError             understood, not allowed now                           exit code 4
│   ├── PermissionDeniedError  the actor's role is too low
│   ├── NotApprovedError       somebody rejected the version
│   ├── GateFailedError        a gate of the stage does not pass; carries what each of them said
│   ├── StalePlanError         what is served changed since the plan was made
│   ├── StageBusyError         another deployment holds the stage
│   ├── DifferentDataError     models that were tried on different images are not compared
│   └── WrongStateError        a finished job cannot be stopped, an unfinished one not registered
├── WorkFailedError          the work ran and ended badly                          exit code 1
│   ├── ArchiveRejectedError   the model archive is not what it must be
│   └── DeploymentFailedError  the endpoint does not serve what was asked for
└── PlatformError            the platform failed or cannot be reached              exit code 5
    ├── NotYetError            it was asked and has not answered so far: look again in a moment
    ├── EndpointUnavailableError
    ├── StoreError
    ├── ThrottledError         the platform asks to be asked less often: what was known stays on screen
    ├── QuotaError             a limit of the account, with its name
    └── SetupError             something this machine needs is missing
        └── AccessError        the platform refuses who asks: credentials, or a missing permission
"""

from __future__ import annotations

from typing import Any


class DigitsError(Exception):
    """A failure that an operator can understand.

    `message` says what, which, observed against expected; `hint` says what to do next
    (a sentence or a command) and may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInputError(DigitsError):
    exit_code = 2


class NotFoundError(DigitsError):
    exit_code = 3


class RefusedError(DigitsError):
    exit_code = 4


class PermissionDeniedError(RefusedError):
    pass


class NotApprovedError(RefusedError):
    pass


class GateFailedError(RefusedError):
    """`gates` are the `domain.gates.GateResult` of every gate of the stage, also of those that pass."""

    def __init__(self, message: str, *, hint: str = "", gates: tuple[Any, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.gates = gates


class StalePlanError(RefusedError):
    pass


class StageBusyError(RefusedError):
    pass


class DifferentDataError(RefusedError):
    pass


class WrongStateError(RefusedError):
    pass


class WorkFailedError(DigitsError):
    exit_code = 1


class ArchiveRejectedError(WorkFailedError):
    pass


class DeploymentFailedError(WorkFailedError):
    pass


class PlatformError(DigitsError):
    exit_code = 5


class NotYetError(PlatformError):
    """Asked and not answered so far: nothing has failed, and whoever looks again soon knows more."""


class EndpointUnavailableError(PlatformError):
    pass


class StoreError(PlatformError):
    pass


class ThrottledError(PlatformError):
    pass


class QuotaError(PlatformError):
    pass


class SetupError(PlatformError):
    pass


class AccessError(SetupError):
    pass
