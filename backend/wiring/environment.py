"""The environment of processes that this one starts."""

from __future__ import annotations

import os

from pydantic import SecretStr

from backend.settings import ROOT, Settings


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment of detached processes: this one's, with what `.env` adds. The only way a secret travels."""
    environment = {**os.environ, "DIGITS_HOME": str(settings.home), "WANDB_PROJECT": settings.wandb_project}
    environment.pop("DIGITS_GITHUB_TOKEN", None)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    if settings.data is not None:
        environment["DIGITS_DATA"] = str(settings.data)
    if settings.wandb_entity:
        environment["WANDB_ENTITY"] = settings.wandb_entity
    if settings.wandb_base_url:
        environment["WANDB_BASE_URL"] = settings.wandb_base_url
    environment["DIGITS_PLATFORM"] = settings.platform
    aws = {
        "AWS_DEFAULT_REGION": settings.aws_region,
        "AWS_PROFILE": settings.aws_profile,
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url,
        "AWS_ACCESS_KEY_ID": secret(settings.aws_access_key_id),
        "AWS_SECRET_ACCESS_KEY": secret(settings.aws_secret_access_key),
        "AWS_SESSION_TOKEN": secret(settings.aws_session_token),
        "SM_ARN_ROLE": settings.role_arn,
        "DIGITS_S3_BUCKET": settings.bucket,
    }
    environment |= {name: value for name, value in aws.items() if value}
    if settings.wandb_api_key is not None:
        environment["WANDB_API_KEY"] = settings.wandb_api_key.get_secret_value()
    return environment


def operation_environment(settings: Settings) -> dict[str, str]:
    """What an operation needs and a training does not: the token that opens pull requests."""
    given = {"DIGITS_GITHUB_TOKEN": secret(settings.github_token)}
    return {name: value for name, value in given.items() if value}


def secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()
