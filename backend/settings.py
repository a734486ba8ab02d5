"""Everything the environment may say, in one place.

Read from variables of the process and from a `.env` file in the repository root (the process wins). `.env.example` and
the README's table are held against the fields below by a test.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend.domain.identity import Role
from backend.domain.serving import Stage
from backend.errors import InvalidInputError, SetupError

_TRITON_ADDRESS: Final = re.compile(r"http://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:[1-9][0-9]{0,4})?")

ROOT: Final = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Validated settings; secrets print as asterisks."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, validate_default=True)

    home: Path = Field(
        default=Path(".digits"),
        alias="DIGITS_HOME",
        description="Folder of all state: database, jobs, models, endpoints, W&B runs. Relative to the repository.",
    )
    platform: Literal["local", "sagemaker"] = Field(
        default="local",
        alias="DIGITS_PLATFORM",
        description="Where work runs: local is this machine, sagemaker an AWS account.",
    )
    data: Path | None = Field(
        default=None,
        alias="DIGITS_DATA",
        description="Path of an mnist.npz to train on; without it MNIST is downloaded once.",
    )
    port: int = Field(default=8501, ge=1, le=65535, alias="DIGITS_PORT", description="TCP port of the dashboard.")
    role: Role = Field(
        default=Role.APPROVER,
        alias="DIGITS_ROLE",
        description="What the person at this machine may do: viewer, operator or approver.",
    )
    gates: Path = Field(
        default=Path("models/gates.yaml"),
        alias="DIGITS_GATES",
        description="What must be known of a version before a stage may serve it; YAML. Relative to the repository.",
    )
    declared: Path = Field(
        default=Path("models/digit_classification.yaml"),
        alias="DIGITS_MODEL_CONFIG",
        description="What staging and prod should serve; YAML. Relative to the repository.",
    )
    github_repository: str = Field(
        default="",
        alias="DIGITS_GITHUB_REPOSITORY",
        pattern=r"^([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)?$",
        description="The repository on GitHub, owner/name, for pull requests that change what should be served.",
    )
    github_token: SecretStr | None = Field(
        default=None,
        alias="DIGITS_GITHUB_TOKEN",
        description="GitHub token with 'Contents' and 'Pull requests', read and write; without it a diff is shown.",
    )
    github_api_url: str = Field(
        default="https://api.github.com",
        alias="DIGITS_GITHUB_API_URL",
        description="Address of GitHub's API; another one for GitHub Enterprise.",
    )
    max_parallel_jobs: int = Field(
        default=1,
        ge=1,
        le=64,
        alias="DIGITS_MAX_PARALLEL_JOBS",
        description="Training jobs that run at once; the others wait in launch order.",
    )
    triton_staging_url: str = Field(
        default="",
        alias="DIGITS_TRITON_STAGING_URL",
        description="A Triton that runs already (a container, say) and serves staging: http://host:port, with gRPC and "
        "metrics on the next two ports.",
    )
    triton_prod_url: str = Field(
        default="", alias="DIGITS_TRITON_PROD_URL", description="The same for prod; it needs a Triton of its own."
    )
    triton_repository: Path | None = Field(
        default=None,
        alias="DIGITS_TRITON_REPOSITORY",
        description="Folder whose subfolders staging and prod are the model repositories of these servers; without it "
        "endpoints/<stage>/repository in the state folder.",
    )
    runs: str = Field(
        default="",
        alias="DIGITS_RUNS",
        description="More folders with runs of W&B, separated by colons; those of the state folder are always read.",
    )
    wandb_api_key: SecretStr | None = Field(
        default=None,
        alias="WANDB_API_KEY",
        description="W&B key; without it runs are recorded offline, in the state folder, and none are read from W&B.",
    )
    wandb_entity: str = Field(
        default="", alias="WANDB_ENTITY", description="W&B user or team that owns the runs; the key's own."
    )
    wandb_project: str = Field(
        default="digit_classification", alias="WANDB_PROJECT", description="W&B project of the runs."
    )
    wandb_base_url: str = Field(
        default="", alias="WANDB_BASE_URL", description="Address of a self-hosted W&B server; http or https."
    )

    aws_region: str = Field(
        default="", alias="AWS_DEFAULT_REGION", description="AWS region of jobs, endpoints and bucket (sagemaker only)."
    )
    aws_profile: str = Field(default="", alias="AWS_PROFILE", description="Profile of ~/.aws/config to sign in with.")
    aws_access_key_id: SecretStr | None = Field(
        default=None,
        alias="AWS_ACCESS_KEY_ID",
        description="AWS key; without it boto3 looks where it always does (profile, SSO, the machine's role).",
    )
    aws_secret_access_key: SecretStr | None = Field(
        default=None, alias="AWS_SECRET_ACCESS_KEY", description="The secret that belongs to AWS_ACCESS_KEY_ID."
    )
    aws_session_token: SecretStr | None = Field(
        default=None, alias="AWS_SESSION_TOKEN", description="The token of temporary AWS keys."
    )
    aws_endpoint_url: str = Field(
        default="", alias="AWS_ENDPOINT_URL", description="Another address for every AWS service; http or https."
    )
    role_arn: str = Field(
        default="",
        alias="SM_ARN_ROLE",
        description="ARN of the role that jobs and endpoints run as (sagemaker only).",
    )
    bucket: str = Field(
        default="",
        alias="DIGITS_S3_BUCKET",
        description="S3 bucket for everything that the platform sagemaker keeps, under digits/.",
    )

    training_image: str = Field(
        default="",
        alias="DIGITS_TRAINING_IMAGE",
        description="Image of training jobs on sagemaker; without it AWS's TensorFlow 2.21 container.",
    )
    training_instance: str = Field(
        default="ml.m5.xlarge",
        alias="DIGITS_TRAINING_INSTANCE",
        pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$",
        description="Instance type of jobs on sagemaker that name none.",
    )
    volume_gb: int = Field(
        default=30, ge=1, le=16384, alias="DIGITS_VOLUME_GB", description="Disk of a training instance, in GB."
    )
    subnets: str = Field(
        default="", alias="DIGITS_SUBNETS", description="Subnets of a VPC for jobs on sagemaker, separated by commas."
    )
    security_groups: str = Field(
        default="", alias="DIGITS_SECURITY_GROUPS", description="Security groups for jobs in DIGITS_SUBNETS."
    )
    kms_key: str = Field(
        default="", alias="DIGITS_KMS_KEY", description="KMS key of volumes and outputs of jobs on sagemaker."
    )
    aws_tags: str = Field(
        default="",
        alias="DIGITS_AWS_TAGS",
        description="Tags of the jobs, endpoints, models and versions made on sagemaker: name=value,name=value.",
    )
    prices: Path | None = Field(
        default=None,
        alias="DIGITS_PRICES",
        description="JSON file of US dollars per instance hour; without it AWS's Price List is asked.",
    )

    triton_image: str = Field(
        default="",
        alias="DIGITS_TRITON_IMAGE",
        description="Image of endpoints on sagemaker; without it AWS's Triton container of the region.",
    )
    endpoint_instance: str = Field(
        default="ml.m5.large",
        alias="DIGITS_ENDPOINT_INSTANCE",
        pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$",
        description="Instance type of endpoints on sagemaker.",
    )
    endpoint_instances: int = Field(
        default=1,
        ge=1,
        le=100,
        alias="DIGITS_ENDPOINT_INSTANCES",
        description="Instances of an endpoint on sagemaker when it is first deployed.",
    )
    endpoint_shift: Literal["all-at-once", "canary", "linear"] = Field(
        default="all-at-once",
        alias="DIGITS_ENDPOINT_SHIFT",
        description="How traffic moves to a new version on sagemaker; canary and linear need two instances or more.",
    )

    @field_validator("home", "data", "gates", "prices", "declared", "triton_repository")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else (ROOT / path.expanduser()).resolve()

    @field_validator("role_arn")
    @classmethod
    def _role(cls, arn: str) -> str:
        if arn and not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+", arn):
            raise ValueError("expected arn:aws:iam::<account>:role/<name>")
        return arn

    @field_validator("aws_tags")
    @classmethod
    def _tags(cls, tags: str) -> str:
        if wrong := [one for one in filter(None, tags.split(",")) if not re.fullmatch(r"[^=]{1,128}=[^=]{0,256}", one)]:
            raise ValueError(f"expected name=value, separated by commas; {len(wrong)} of them are not")
        return tags

    @model_validator(mode="after")
    def _whole_network(self) -> Settings:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError("DIGITS_SUBNETS and DIGITS_SECURITY_GROUPS belong together")
        return self

    @field_validator("bucket")
    @classmethod
    def _bucket(cls, name: str) -> str:
        if name and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
            raise ValueError("expected the name of a bucket, without s3://")
        return name

    @property
    def run_folders(self) -> list[Path]:
        """Where W&B's files are looked for."""
        more = [Path(name).expanduser() for name in self.runs.split(os.pathsep) if name]
        return [self.home, *((ROOT / path).resolve() for path in more)]

    @field_validator("triton_staging_url", "triton_prod_url")
    @classmethod
    def _triton_address(cls, url: str, info: ValidationInfo) -> str:
        if url and not _TRITON_ADDRESS.fullmatch(url):
            raise ValueError("expected the base address of a Triton server, such as http://127.0.0.1:8000")
        if url and url == info.data.get("triton_staging_url"):
            raise ValueError("it names staging's server; each stage needs a Triton of its own")
        return url

    def triton_url(self, stage: Stage) -> str:
        """Where the stage's own Triton answers; empty when ours serves it."""
        return {Stage.STAGING: self.triton_staging_url, Stage.PROD: self.triton_prod_url}[stage]

    @field_validator("wandb_base_url", "aws_endpoint_url", "github_api_url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("expected an address that begins with http:// or https://")
        return url


def load_settings(env_file: Path = ROOT / ".env") -> Settings:
    """Read the environment and `.env`.

    Raises `InvalidInputError` naming the variable that is wrong (never its value: it may be a secret), and `SetupError`
    when `.env` cannot be read.
    """
    try:
        return Settings(_env_file=env_file)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = first["loc"][0] if first["loc"] else "settings"
        raise InvalidInputError(
            f"Setting {name} is not valid: {first['msg']}.", hint="See .env.example for every setting and its values."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"'{env_file.name}' cannot be read: {error}.", hint=f"Mend or remove {env_file}.") from error
