"""What several commands read from their options in the same way."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime

from backend.domain.jobs import Compute
from backend.domain.training import Value
from backend.errors import InvalidInputError


def settings(pairs: Sequence[str]) -> dict[str, Value]:
    """What `--set KEY=VALUE` says; raises `InvalidInputError`."""
    found: dict[str, Value] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise InvalidInputError(f"--set is '{pair}'; expected KEY=VALUE.")
        found[name] = value
    return found


def compute(options: Namespace) -> Compute:
    """What a job is to run on; raises `InvalidInputError`."""
    return Compute(
        instance_type=options.instance_type,
        spot=options.spot,
        max_minutes=options.max_minutes,
        max_wait_minutes=options.max_wait_minutes,
    )


def moment(text: str, option: str) -> datetime | None:
    """The time that `option` names, UTC unless it says otherwise; None when it is empty. Raises `InvalidInputError`."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{option} is '{text}'; expected a time like 2026-11-23T14:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
