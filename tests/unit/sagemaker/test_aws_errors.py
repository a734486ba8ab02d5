"""Every error of AWS that we know becomes ours, with what to do next."""

from __future__ import annotations

import inspect

import botocore.exceptions
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from backend.adapters.sagemaker.errors import (
    BusyError,
    Kind,
    LostRaceError,
    TakenError,
    kind_of,
    translated,
    translating,
)
from backend.errors import (
    AccessError,
    DigitsError,
    InvalidInputError,
    NotFoundError,
    PlatformError,
    QuotaError,
    SetupError,
    ThrottledError,
)


def answered(code: str, message: str = "", status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "DoIt"
    )


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("ExpiredTokenException", "The security token included in the request is expired", AccessError),
        ("UnrecognizedClientException", "The security token included in the request is invalid.", AccessError),
        ("AccessDeniedException", "nothing useful", AccessError),
        ("ThrottlingException", "Rate exceeded", ThrottledError),
        ("SlowDown", "Please reduce your request rate.", ThrottledError),
        ("ResourceLimitExceeded", "The account-level service limit 'x for y' is 0 Instances", QuotaError),
        ("ValidationException", "Requested resource not found.", NotFoundError),
        ("ValidationException", 'Could not find endpoint "x".', NotFoundError),
        ("ValidationException", "ModelPackage x does not exist.", NotFoundError),
        ("ValidationError", "Endpoint x of account 1 not found.", NotFoundError),
        ("ResourceNotFound", "gone", NotFoundError),
        ("NoSuchKey", "The specified key does not exist.", NotFoundError),
        ("ValidationException", 'Cannot create already existing endpoint "x".', TakenError),
        ("ResourceInUse", "Job name must be unique", TakenError),
        ("PreconditionFailed", "At least one of the pre-conditions did not hold", LostRaceError),
        ("ValidationException", "Cannot update in-progress endpoint", BusyError),
        ("ValidationException", "1 validation error detected: Value 'a_b' at 'trainingJobName'", InvalidInputError),
        ("PermanentRedirect", "The bucket is in this region: us-east-1", SetupError),
        ("NoSuchBucket", "The specified bucket does not exist", SetupError),
        ("InternalFailure", "", PlatformError),
    ],
)
def test_each_answer_is_one_of_our_errors(code: str, message: str, expected: type[DigitsError]) -> None:
    with pytest.raises(DigitsError) as caught, translating("describe training job 'x'"):
        raise answered(code, message)
    assert type(caught.value) is expected
    assert "describe training job 'x'" in caught.value.message
    assert isinstance(caught.value.__cause__, ClientError)


def test_a_missing_permission_is_named_with_the_line_to_add() -> None:
    message = (
        "User: arn:aws:sts::123456789012:assumed-role/op/ada is not authorized to perform: sagemaker:CreateTrainingJob "
        "on resource: arn:aws:sagemaker:eu-west-1:123456789012:training-job/x because no policy allows it"
    )
    error = translated(answered("AccessDeniedException", message), "launch")
    assert '"Action": "sagemaker:CreateTrainingJob"' in error.hint
    assert '"Resource": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/x"' in error.hint
    assert "assumed-role/op/ada" in error.hint


def test_passing_a_role_is_allowed_to_sagemaker_only() -> None:
    message = (
        "User: arn:aws:iam::1:user/ada is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/x"
    )
    hint = translated(answered("AccessDeniedException", message), "launch").hint
    assert '"iam:PassedToService": "sagemaker.amazonaws.com"' in hint


def test_a_quota_is_named_with_its_limit() -> None:
    message = (
        "The account-level service limit 'ml.m5.large for training job usage' is 0 Instances, with current utilization "
        "of 0 Instances and a request delta of 1 Instances."
    )
    error = translated(answered("ResourceLimitExceeded", message), "launch training job 'x'")
    assert "'ml.m5.large for training job usage' is 0" in error.message
    assert "Service Quotas" in error.hint


def test_botocores_own_errors_are_all_ours() -> None:
    """Whatever class of botocore's: none passes through, and those of credentials and network are known as such."""
    raised = {
        name: cls
        for name, cls in vars(botocore.exceptions).items()
        if inspect.isclass(cls) and issubclass(cls, BotoCoreError)
    }
    for cls in raised.values():
        error = cls.__new__(cls)
        Exception.__init__(error, "told")
        assert isinstance(translated(error, "look"), DigitsError)
    kinds = {name: kind_of(cls.__new__(cls)) for name, cls in raised.items()}
    assert kinds["NoCredentialsError"] is kinds["TokenRetrievalError"] is kinds["SSOTokenLoadError"] is Kind.CREDENTIALS
    assert kinds["NoRegionError"] is Kind.REGION
    assert kinds["EndpointConnectionError"] is kinds["ReadTimeoutError"] is Kind.UNREACHABLE
    assert kinds["ParamValidationError"] is Kind.INVALID
