"""What an operation has answered: the one JSON document that its command prints."""

from __future__ import annotations

import json
from typing import Any

from app.context import backend
from backend.errors import PlatformError


def operation_answer(operation_id: str) -> dict[str, Any] | None:
    """The document; None while the operation runs.

    Raises `PlatformError` with what the command said when it failed, or ended without a word.
    """
    if backend().operations.is_running(operation_id):
        return None
    try:
        document: dict[str, Any] = json.loads(backend().operations.answer(operation_id))
    except ValueError:
        said = backend().operations.output(operation_id).strip()
        raise PlatformError(f"It ended without an answer. {said}".strip()) from None
    if "error" in document:
        raise PlatformError(document["error"]["message"], hint=document["error"]["hint"])
    return document
