"""What the repository says should be served: `models/digit_classification.yaml`, its keys and what each may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from backend.domain.drift import Difference
from backend.domain.serving import ENDPOINT_NAME, TRITON_MODEL

DEFAULT_IMAGE: Final = "default"
"""`triton_image_uri` for the Triton container that AWS keeps in the region."""
VERSION_URI: Final = "model-version:"
S3_URI: Final = "s3://"


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of the file. `low` and `high` make it a whole number between them; else it is text that fits `pattern`
    (whole), which `expected` says in words. `matters`: another value is another endpoint.
    """

    meaning: str
    expected: str = ""
    pattern: str = ""
    low: int | None = None
    high: int | None = None
    required: bool = True
    matters: bool = True

    @property
    def is_number(self) -> bool:
        return self.low is not None

    def holds(self, value: str | int) -> bool:
        if isinstance(value, int):
            return self.low is not None and self.high is not None and self.low <= value <= self.high
        return not self.is_number and re.fullmatch(self.pattern, value) is not None


KEYS: Final[Mapping[str, Key]] = {
    "endpoint_name": Key(
        meaning="What the endpoints' names begin with.", pattern=ENDPOINT_NAME, expected=f"'{ENDPOINT_NAME}'"
    ),
    "model_uri": Key(
        meaning="The model archive: a registered version, an object on S3 (with sha256), or, on the platform local "
        "only, a file, relative to this one's folder.",
        pattern=r"model-version:[1-9][0-9]{0,8}|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^\s]+/)?model\.tar\.gz"
        r"|[^\s:]+\.tar\.gz",
        expected="'model-version:N', 's3://BUCKET/.../model.tar.gz' or a path that ends in '.tar.gz'",
    ),
    "sha256": Key(
        meaning="SHA-256 of the archive's bytes: with any others nothing is deployed. Required with s3://.",
        pattern=r"[0-9a-f]{64}",
        expected="64 hexadecimal digits in lower case",
        required=False,
    ),
    "triton_image_uri": Key(
        meaning="The Triton container, or 'default' for the one that AWS keeps in the region.",
        pattern=r"default|[a-z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(/[a-zA-Z0-9._-]+)+(:[\w.-]{1,128})?(@sha256:[0-9a-f]{64})?",
        expected="'default', or REGISTRY/NAME:TAG",
    ),
    "instance_type": Key(
        meaning="What an endpoint runs on.", pattern=r"ml\.[a-z0-9-]+\.[a-z0-9]+", expected="such as 'ml.m5.large'"
    ),
    "instance_count": Key(meaning="How many of them prod has; a pull request's endpoint has one.", low=1, high=100),
    "sagemaker_triton_default_model_name": Key(
        meaning="The archive's top folder, which is the model's name.",
        pattern=TRITON_MODEL,
        expected=f"'{TRITON_MODEL}'",
    ),
    "staging_ttl_hours": Key(
        meaning="After how many hours the nightly sweep removes a pull request's endpoint.",
        low=1,
        high=24 * 30,
        required=False,
        matters=False,
    ),
    "description": Key(
        meaning="For people; changes nothing.",
        pattern=r".{0,500}",
        expected="a line of at most 500 characters",
        required=False,
        matters=False,
    ),
}
"""Every key, in the order in which they are documented."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The file's values, each as its `Key` wants it. `sha256` is empty where the file does not name it."""

    endpoint_name: str
    model_uri: str
    triton_image_uri: str
    instance_type: str
    instance_count: int
    sagemaker_triton_default_model_name: str
    sha256: str = ""
    staging_ttl_hours: int = 72
    description: str = ""

    @property
    def version(self) -> int | None:
        """The number of the version that is declared; None for an archive by its address."""
        return int(self.model_uri.removeprefix(VERSION_URI)) if self.model_uri.startswith(VERSION_URI) else None

    @property
    def image(self) -> str:
        """Empty for the region's own."""
        return "" if self.triton_image_uri == DEFAULT_IMAGE else self.triton_image_uri


def changed(before: ModelConfig, now: ModelConfig) -> tuple[Difference, ...]:
    """The fields that matter and differ; a comment, an order of keys or a description is none."""
    old, new = asdict(before), asdict(now)
    return tuple(
        Difference(what=name, wanted=str(new[name]), served=str(old[name]))
        for name, key in KEYS.items()
        if key.matters and old[name] != new[name]
    )


def json_schema() -> dict[str, Any]:
    """The same rules for editors and `check-jsonschema`, as JSON Schema 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What staging and prod should serve",
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, key in KEYS.items() if key.required],
        "properties": {name: _property(key) for name, key in KEYS.items()},
        "if": {"properties": {"model_uri": {"pattern": f"^{S3_URI}"}}},
        "then": {"required": ["sha256"]},
    }


def _property(key: Key) -> dict[str, Any]:
    if key.is_number:
        return {"description": key.meaning, "type": "integer", "minimum": key.low, "maximum": key.high}
    return {"description": key.meaning, "type": "string", "pattern": f"^(?:{key.pattern})$"}
