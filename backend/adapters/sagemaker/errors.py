"""What AWS and botocore raise, as our errors: mapped once, here, and nowhere by its text alone.

`translating` is put around every call. Four outcomes are part of normal work, so that they have classes of their own
which never leave this package: `TakenError` (there is one of that name), `LostRaceError` (a conditional write found
another's), `BusyError` (being changed right now), and `NotFoundError`.

AWS says "missing" in many ways: `ValidationException` with "Could not find" (endpoints, models), with "Requested
resource not found" (training jobs, https://github.com/boto/boto3/issues/2808) or with "does not exist" (registry), and
`ResourceNotFound` where the service model promises it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from backend.errors import (
    AccessError,
    DigitsError,
    InvalidInputError,
    NotFoundError,
    PlatformError,
    QuotaError,
    RefusedError,
    SetupError,
    ThrottledError,
)


class TakenError(RefusedError):
    """There is something of that name already."""


class LostRaceError(RefusedError):
    """A conditional write to S3 found that another had written."""


class BusyError(RefusedError):
    """The resource is being changed: it must settle first."""


class Kind(Enum):
    """What sort of trouble an error is."""

    CREDENTIALS = "credentials"
    REGION = "region"
    DENIED = "denied"
    QUOTA = "quota"
    THROTTLED = "throttled"
    MISSING = "missing"
    TAKEN = "taken"
    LOST_RACE = "lost race"
    BUSY = "busy"
    INVALID = "invalid"
    UNREACHABLE = "unreachable"
    OTHER = "other"


_CODES: Final[dict[str, Kind]] = {
    **dict.fromkeys(
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "RequestExpired",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "AuthFailure",
            "MissingAuthenticationToken",
            "InvalidToken",
        ),
        Kind.CREDENTIALS,
    ),
    **dict.fromkeys(("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"), Kind.DENIED),
    **dict.fromkeys(
        (
            "ThrottlingException",
            "Throttling",
            "ThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "SlowDown",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "BandwidthLimitExceeded",
        ),
        Kind.THROTTLED,
    ),
    **dict.fromkeys(("ResourceLimitExceeded", "LimitExceededException", "ServiceQuotaExceededException"), Kind.QUOTA),
    **dict.fromkeys(
        (
            "ResourceNotFound",
            "ResourceNotFoundException",
            "ObjectNotFoundException",
            "ImageNotFoundException",
            "RepositoryNotFoundException",
            "NoSuchKey",
            "NoSuchEntity",
            "404",
            "NotFound",
        ),
        Kind.MISSING,
    ),
    "NoSuchBucket": Kind.REGION,
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed", "301"), Kind.REGION),
    **dict.fromkeys(("PreconditionFailed", "ConditionalRequestConflict", "412", "409"), Kind.LOST_RACE),
    **dict.fromkeys(("ResourceInUse", "ResourceInUseException", "ResourceAlreadyExistsException"), Kind.TAKEN),
    "ConflictException": Kind.BUSY,
}
# Most specific first; `ValidationException` and its brothers say in words what they are.
_VALIDATION: Final = ("ValidationException", "ValidationError", "InvalidParameterException", "InvalidParameterValue")
_WORDS: Final = (
    (re.compile(r"already exist", re.IGNORECASE), Kind.TAKEN),
    (re.compile(r"in-progress|in progress|cannot (?:update|delete).*(?:updating|creating)", re.IGNORECASE), Kind.BUSY),
    (re.compile(r"could not find|not found|does not exist", re.IGNORECASE), Kind.MISSING),
    (re.compile(r"rate exceeded", re.IGNORECASE), Kind.THROTTLED),
)
_DENIED: Final = re.compile(
    r"(?:(?P<who>arn:\S+) )?is not authorized to perform: (?P<action>[\w:*]+)(?: on resource: (?P<resource>\S+))?"
)
_QUOTA: Final = re.compile(r"service limit '(?P<quota>[^']+)' is (?P<limit>[\d,]+)")


def kind_of(error: BaseException) -> Kind:
    """What sort of trouble it is; `OTHER` when it is none that we know."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        message = error.response.get("Error", {}).get("Message", "")
        if code in _CODES:
            return _CODES[code]
        if code in _VALIDATION:
            return next((kind for words, kind in _WORDS if words.search(message)), Kind.INVALID)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return Kind.THROTTLED if status in (429, 503) else Kind.OTHER
    if isinstance(
        error,
        NoCredentialsError
        | PartialCredentialsError
        | CredentialRetrievalError
        | ProfileNotFound
        | SSOError
        | TokenRetrievalError,
    ):
        return Kind.CREDENTIALS
    if isinstance(error, NoRegionError):
        return Kind.REGION
    if isinstance(error, ParamValidationError):
        return Kind.INVALID
    if isinstance(error, ConnectionError | HTTPClientError):
        return Kind.UNREACHABLE
    return Kind.OTHER


def translated(error: Exception, doing: str) -> DigitsError:
    """Our error for one of botocore's; `doing` completes "AWS could not ...", for example "list training jobs"."""
    kind = kind_of(error)
    said = _said(error)
    match kind:
        case Kind.CREDENTIALS:
            return AccessError(
                f"AWS does not accept the credentials: could not {doing}. {said}",
                hint="Sign in again (aws sso login, or new keys in .env), then repeat: what was done is kept.",
            )
        case Kind.REGION:
            return SetupError(
                f"AWS has nothing there: could not {doing}. {said}",
                hint="Check AWS_DEFAULT_REGION and DIGITS_S3_BUCKET: the bucket must be in that region.",
            )
        case Kind.DENIED:
            return AccessError(f"AWS refuses to {doing}. {said}", hint=_policy_line(said))
        case Kind.QUOTA:
            return _quota(said, doing)
        case Kind.THROTTLED:
            return ThrottledError(
                f"AWS asks to be asked less often: could not {doing}. {said}", hint="It is tried again by itself."
            )
        case Kind.MISSING:
            return NotFoundError(f"AWS could not {doing}: it is not there. {said}")
        case Kind.TAKEN:
            return TakenError(f"AWS could not {doing}: the name is taken. {said}")
        case Kind.LOST_RACE:
            return LostRaceError(f"AWS could not {doing}: another wrote there first.")
        case Kind.BUSY:
            return BusyError(f"AWS could not {doing}: it is being changed. {said}", hint="Wait until it has settled.")
        case Kind.INVALID:
            return InvalidInputError(f"AWS could not {doing}. {said}")
        case Kind.UNREACHABLE:
            return PlatformError(
                f"AWS cannot be reached: could not {doing}. {said}", hint="Check the network and AWS_ENDPOINT_URL."
            )
        case Kind.OTHER:
            return PlatformError(f"AWS could not {doing}. {said}")


def is_denied(error: DigitsError) -> bool:
    """Whether AWS knows who asks and forbids it: another question may still be answered."""
    return error.__cause__ is not None and kind_of(error.__cause__) is Kind.DENIED


@contextmanager
def translating(doing: str) -> Iterator[None]:
    """Raise what botocore raises within the block as ours; for `doing` see `translated`."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translated(error, doing) from error


def _said(error: Exception) -> str:
    """AWS's own words, without the request's id and the operation, which tell an operator nothing."""
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        return f"{said.get('Code', 'Error')}: {said.get('Message', '') or 'no message'}"[:600].rstrip()
    return f"{type(error).__name__}: {error}"[:600]


def _policy_line(said: str) -> str:
    """The statement to add to the caller's policy."""
    found = _DENIED.search(said)
    if found is None:
        return "Compare the role's policy with those under docs/iam."
    action, resource = found["action"], (found["resource"] or "*").rstrip(".")
    condition = ""
    if action == "iam:PassRole":
        condition = ', "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}'
    who = f" of {found['who']}" if found["who"] else ""
    return (
        f'Add to the policy{who}: {{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"{condition}}}. '
        "Whole policies are under docs/iam."
    )


def _quota(said: str, doing: str) -> QuotaError:
    found = _QUOTA.search(said)
    if found is None:
        return QuotaError(f"A quota of the account is used up: could not {doing}. {said}")
    return QuotaError(
        f"The account's quota '{found['quota']}' is {found['limit']}: could not {doing}.",
        hint=f"Ask for more under Service Quotas, Amazon SageMaker, '{found['quota']}', or choose another instance "
        "type. New accounts often begin at 0.",
    )
