"""Where on AWS the product lives. Loads nothing of AWS's: whether all that is needed is set can be told without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from backend.errors import InvalidInputError

_VARIABLES: Final[Mapping[str, str]] = {
    "region": "AWS_DEFAULT_REGION",
    "role": "SM_ARN_ROLE",
    "bucket": "DIGITS_S3_BUCKET",
    "profile": "AWS_PROFILE",
    "endpoint_url": "AWS_ENDPOINT_URL",
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
}
"""The fields of `Account`, and the variables that `backend.settings` reads them from."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where on AWS the product lives, from the settings. `role` is what jobs and endpoints run as.

    Everything on S3 is under `s3://bucket/digits/`. `endpoint_url` is another address for every service (a fake one, a
    gateway); keys and profile are empty when boto3 finds credentials itself (environment, SSO, an instance's role).
    """

    region: str
    role: str
    bucket: str
    profile: str = ""
    endpoint_url: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Account:
        """The account in the variables of a process; raises `InvalidInputError` for what is missing."""
        return cls(**{name: environ.get(variable, "") for name, variable in _VARIABLES.items()})

    def environ(self) -> dict[str, str]:
        """The variables by which a child process finds the same account."""
        return {variable: value for name, variable in _VARIABLES.items() if (value := getattr(self, name))}

    def __post_init__(self) -> None:
        for name, value, example in (
            ("AWS_DEFAULT_REGION", self.region, "eu-west-1"),
            ("SM_ARN_ROLE", self.role, "arn:aws:iam::123456789012:role/digits-execution"),
            ("DIGITS_S3_BUCKET", self.bucket, "digits-123456789012"),
        ):
            if not value:
                raise InvalidInputError(
                    f"The platform sagemaker needs {name}, which is not set.",
                    hint=f"Set it in .env, for example {name}={example}; docs/aws.md says how to make what it names.",
                )
