"""Asking an endpoint of SageMaker about images; its errors become ours here."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from botocore.exceptions import ClientError

from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.invocation import decode, encode
from backend.adapters.sagemaker.session import Aws
from backend.adapters.triton.answers import require_probabilities
from backend.errors import (
    DeploymentFailedError,
    EndpointUnavailableError,
    NotFoundError,
    PlatformError,
    SetupError,
    ThrottledError,
)

_BY_THE_MODEL: Final = "ModelError"
_STATUS: Final = re.compile(r"\((\d{3})\)")
_ATTEMPTS: Final = 2
"""A request that was throttled was not asked: it may go out again at once."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Probabilities float32 [N, 10], and the milliseconds from sending to having read, SageMaker's front door and the
    network to it included.
    """

    probabilities: npt.NDArray[np.float32]
    latency_ms: float


def ask(aws: Aws, endpoint: str, images: npt.NDArray[np.float32], *, patient: bool = False) -> Reply:
    """Ask about `images`, float32 [N, 28, 28, 1] in [0, 1].

    A person waits two seconds for an answer; a deployment, which is `patient`, outlasts throttling and a slow start.

    Raises `EndpointUnavailableError` when nothing answers in time, `DeploymentFailedError` when what answers is not ten
    probabilities per image, `AccessError` when AWS refuses who asks, `ThrottledError` when it is asked too often.
    """
    content_type, body = encode(images)
    for attempt in range(_ATTEMPTS):
        begun = time.perf_counter()
        try:
            answer_type, answer = _invoke(aws, endpoint, content_type, body, patient)
        except ThrottledError:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        latency_ms = (time.perf_counter() - begun) * 1000
        values = decode(answer_type, answer, who=f"'{endpoint}'")
        return Reply(
            probabilities=require_probabilities(values, count=len(images), who=f"'{endpoint}'"), latency_ms=latency_ms
        )
    raise AssertionError  # the loop returns or raises


def _invoke(aws: Aws, endpoint: str, content_type: str, body: bytes, patient: bool) -> tuple[str, bytes]:
    try:
        with translating(f"ask the endpoint '{endpoint}'"):
            try:
                runtime = aws.client("sagemaker-runtime", "write") if patient else aws.runtime
                answer: Any = runtime.invoke_endpoint(EndpointName=endpoint, ContentType=content_type, Body=body)
                return answer["ContentType"], answer["Body"].read()
            except ClientError as error:
                said = error.response.get("Error", {})
                if said.get("Code") != _BY_THE_MODEL:
                    raise
                raise _refusal(endpoint, said.get("Message", "")) from error
    except NotFoundError as error:
        raise EndpointUnavailableError(f"'{endpoint}' does not exist.", hint="Promote a version to it.") from error
    except (SetupError, ThrottledError, EndpointUnavailableError):
        raise
    except PlatformError as error:
        raise EndpointUnavailableError(error.message, hint=error.hint) from error


def _refusal(endpoint: str, message: str) -> DeploymentFailedError | EndpointUnavailableError:
    """The container answered with an error; 4xx: it does not take what every model of ours takes."""
    status = _STATUS.search(message)
    kind = DeploymentFailedError if status and status[1].startswith("4") else EndpointUnavailableError
    return kind(
        f"The model of '{endpoint}' refused the request: {message[:300]}",
        hint=f"See its log in CloudWatch: /aws/sagemaker/Endpoints/{endpoint}",
    )
