"""Names of what a deployment makes on SageMaker, chosen by content: the same content has the same name, always.

So a repeated deployment finds what it made before instead of failing or, worse, serving what somebody else made under
the name. SageMaker takes 63 characters of `[a-zA-Z0-9-]` for models, configs and endpoints; names never begin or end
with a hyphen.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from backend.domain.serving import ENDPOINT_NAME, Stage
from backend.errors import InvalidInputError

LONGEST_NAME: Final = 63
_DIGEST: Final = 12
_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_ARCHIVE_KEY: Final = re.compile(r"(?:.*/)?sha256-([0-9a-f]{64})/model\.tar\.gz")


@dataclass(frozen=True, kw_only=True)
class ContentName:
    """`<endpoint>-v<version>-<12 hex digits of the content's SHA-256>`: a model or a config of one endpoint."""

    endpoint: str
    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.endpoint}-v{self.version}-{self.digest}"


Suffixes = Mapping[Stage, str]
"""For stages that are served beside their own endpoint: what that one's name has in it, for example of a pull request.
"""
NO_SUFFIXES: Final[Suffixes] = {}


def endpoint_name(stage: Stage, suffix: str = "") -> str:
    """The stage's endpoint; with a suffix, one beside it, for example of a pull request: `<name>-<suffix>-<stage>`.

    Raises `InvalidInputError` for a suffix that SageMaker would not take or that leaves no room for a config's name.
    """
    if not suffix:
        return stage.endpoint_name
    name = f"{ENDPOINT_NAME}-{suffix}-{stage.value}"
    room = LONGEST_NAME - len(f"-v9999-{'0' * _DIGEST}")
    if not _NAME.fullmatch(suffix) or len(name) > room:
        raise InvalidInputError(
            f"The name suffix '{suffix}' cannot be used: the endpoint would be called '{name}' ({len(name)} "
            f"characters); expected letters, digits and hyphens, at most {room} characters in all.",
            hint="Use a short suffix, for example 'pr12-1a2b3c4'.",
        )
    return name


def content_name(endpoint: str, version: int, content: Mapping[str, Any]) -> str:
    """The name of the model or config that is made from `content`, a request without its name.

    Raises `InvalidInputError` when it would be longer than SageMaker allows.
    """
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_DIGEST]
    name = str(ContentName(endpoint=endpoint, version=version, digest=digest))
    if len(name) > LONGEST_NAME:
        raise InvalidInputError(f"'{name}' has {len(name)} characters, SageMaker takes at most {LONGEST_NAME}.")
    return name


def parse_content_name(name: str, endpoint: str) -> ContentName | None:
    """The parts of a name made for this very endpoint; None for any other name, however alike."""
    match = re.fullmatch(rf"{re.escape(endpoint)}-v([1-9][0-9]*)-([0-9a-f]{{{_DIGEST}}})", name)
    return None if match is None else ContentName(endpoint=endpoint, version=int(match[1]), digest=match[2])


def archive_key(prefix: str, sha256: str) -> str:
    """The write-once S3 key of the archive whose bytes have this SHA-256."""
    return f"{prefix}sha256-{sha256}/model.tar.gz"


def sha256_of_key(key: str) -> str | None:
    """The SHA-256 that a write-once key or URI names; None for any other."""
    match = _ARCHIVE_KEY.fullmatch(key)
    return None if match is None else match[1]
