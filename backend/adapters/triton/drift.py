"""How the live configuration of a Triton differs from the one that a deployment loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from backend.domain.drift import Difference

_DIGEST_LETTERS: Final = 12
_NOTHING: Final = "nothing"


def differences(request: str, live: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What `live` (Triton's JSON) says otherwise than the load `request` (`model_config.load_request`).

    Triton adds its own defaults to what it was asked for: only what we ask for is compared, without the generation,
    which changes with every load.
    """
    wanted, found = _facts(json.loads(request)), _facts(live)
    names = [*wanted, *(name for name in found if name not in wanted)]
    pairs = {name: (wanted.get(name, _NOTHING), found.get(name, _NOTHING)) for name in names}
    return tuple(
        Difference(what=name, wanted=_short(wanted), served=_short(served))
        for name, (wanted, served) in pairs.items()
        if wanted != served
    )


def _facts(config: Mapping[str, Any]) -> dict[str, str]:
    parameters = {name: str(value.get("string_value", "")) for name, value in config.get("parameters", {}).items()}
    policy = config.get("version_policy", {})
    versions = [str(version) for version in policy.get("specific", {}).get("versions", [])]
    groups = config.get("instance_group", [])
    facts = {
        "version": ", ".join(versions) or "not pinned",
        "archive": parameters.pop("archive_sha256", _NOTHING),
        "model file": parameters.pop("onnx_sha256", _NOTHING),
        "backend": str(config.get("backend", "")),
        "largest batch": str(config.get("max_batch_size", 0)),
        "instances": str(sum(int(group.get("count", 1)) for group in groups)),
        "dynamic batching": _batching(config),
        "input": _tensors(config.get("input", [])),
        "output": _tensors(config.get("output", [])),
    }
    parameters.pop("generation", None)
    return {**facts, **{f"parameter {name}": value for name, value in sorted(parameters.items())}}


def _batching(config: Mapping[str, Any]) -> str:
    """Triton itself prefers the largest batch where no size is asked for."""
    if "dynamic_batching" not in config:
        return "off"
    sizes = config["dynamic_batching"].get("preferred_batch_size") or [config.get("max_batch_size", 0)]
    return f"in batches of {', '.join(map(str, sizes))}"


def _tensors(tensors: list[Mapping[str, Any]]) -> str:
    """JSON of a 64-bit integer is a string in Protobuf's own writing and a number in ours."""
    return ", ".join(f"{t['name']} {t['data_type']} {[int(size) for size in t['dims']]}" for t in tensors)


def _short(value: str) -> str:
    is_digest = len(value) == 64 and all(letter in "0123456789abcdef" for letter in value)
    return value[:_DIGEST_LETTERS] if is_digest else value[:80] or _NOTHING
