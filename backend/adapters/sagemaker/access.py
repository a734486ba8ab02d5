"""Whether this machine can sign in to AWS at all, known without anybody waiting for it."""

from __future__ import annotations

from typing import Final

from backend.adapters.sagemaker.background import Answer
from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.session import Aws
from backend.errors import AccessError, DigitsError, PlatformError

_SECONDS: Final = 30.0
"""Between two looks: somebody may have signed in meanwhile."""


class Access:
    """Looks for credentials where boto3 does (settings, profile, SSO, the machine's role), on a thread.

    It tells what can never work from what does not work just now: a token that has expired is told by what was asked
    with it, and pages keep on showing what they knew.
    """

    def __init__(self, aws: Aws) -> None:
        self._answer: Answer[DigitsError | None] = Answer(lambda: _look(aws), lambda _: _SECONDS)

    def refusal(self) -> DigitsError | None:
        """Why AWS cannot be asked anything; None when it can, or as long as nobody knows."""
        try:
            return self._answer.get()
        except PlatformError:
            return None


def _look(aws: Aws) -> DigitsError | None:
    try:
        with translating("sign in"):
            if aws.session.get_credentials() is None:
                return AccessError(
                    "This machine has no credentials for AWS.",
                    hint="Set AWS_PROFILE in .env (and run aws sso login), or AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY; then start the dashboard again.",
                )
    except DigitsError as error:
        return error
    return None
