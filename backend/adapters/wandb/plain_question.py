"""Asking a W&B server the plainest question there is, without its client: who am I?"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any, Final

from backend.adapters.wandb.cloud_trouble import NO_ANSWER

_SECONDS: Final = 3.0
_QUESTION: Final = json.dumps({"query": "query Viewer { viewer { id } }"}).encode()


def plain_answer(base_url: str, key: str) -> dict[str, Any]:
    """`status` (None without an answer), `text`, and `retry_after` in seconds where it was said; never raises."""
    login = base64.b64encode(f"api:{key}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - settings allow http and https only
        f"{base_url.rstrip('/')}/graphql",
        data=_QUESTION,
        headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310 - as above
            return {"status": None, "text": f"{NO_ANSWER}: it answers a plain question, but not this one"}
    except urllib.error.HTTPError as error:
        after = error.headers.get("Retry-After", "")
        return {
            "status": error.code,
            "text": f"HTTP {error.code}",
            "retry_after": float(after) if after.isdigit() else None,
        }
    except urllib.error.URLError as error:
        return {"status": None, "text": NO_ANSWER if isinstance(error.reason, TimeoutError) else str(error.reason)}
    except (OSError, ValueError) as error:
        return {"status": None, "text": NO_ANSWER if isinstance(error, TimeoutError) else str(error)}
