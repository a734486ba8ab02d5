"""What went wrong with W&B, in words: what, why, and what to do. Pure, so that every case is a line of a test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from backend.errors import DigitsError, NotFoundError, PlatformError, SetupError

ENDED: Final = "the process that reads from W&B ended"
NO_ANSWER: Final = "no answer in time"

_STATUS_IN_TEXT: Final = re.compile(r"HTTP (\d{3})")
"""After its own retries the client gives the server's status only so."""
_TIMED_OUT: Final = re.compile(
    r"did not respond in time|deadline exceeded|Client\.Timeout|timed? ?out|no answer in time", re.I
)
_NO_WAY: Final = {
    "connection refused": "connection refused",
    "no such host": "there is no such host",
    "name or service not known": "there is no such host",
    "temporary failure in name resolution": "its name cannot be looked up",
    "network is unreachable": "the network is unreachable",
    "no route to host": "there is no route to it",
    "connection reset": "it broke the connection",
    "unexpected eof": "it broke the connection",
    "remote end closed": "it broke the connection",
}
_NO_PROJECT: Final = re.compile(r"could not find project|project not found", re.I)
_NO_RUN: Final = re.compile(r"could not find run|run not found", re.I)
_CERTIFICATE: Final = re.compile(r"x509|certificate", re.I)
_NO_KEY: Final = re.compile(r"API key must", re.I)
_PAUSES: Final = {401: 300.0, 403: 300.0, 404: 300.0, 429: 60.0}
"""Seconds until W&B is asked again by itself: a refused key stays refused, a limit counts every request."""
_LONGEST_PAUSE: Final = 300.0


@dataclass(frozen=True, kw_only=True)
class CloudTrouble:
    """A failed question: the HTTP status when the server answered, the client's exception and its text."""

    status: int | None
    kind: str
    text: str
    retry_after: float | None = None

    @property
    def code(self) -> int | None:
        """The server's answer, wherever it is told."""
        found = _STATUS_IN_TEXT.search(self.text)
        return self.status or (int(found[1]) if found else None)


class CloudTroubleError(Exception):
    def __init__(self, trouble: CloudTrouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Whom and what about. `accepted_at` is when the server last took the same key; None when it never did."""

    base_url: str
    entity: str
    project: str
    run: str = ""
    accepted_at: datetime | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc

    @property
    def path(self) -> str:
        return "/".join(filter(None, (self.entity, self.project, self.run)))


def explained(trouble: CloudTrouble, asked: Asked) -> DigitsError:
    """The error to raise or to show."""
    host, code, text = asked.host, trouble.code, trouble.text
    if code == 401 or _NO_KEY.search(text):
        return _refused_key(asked, trouble)
    if code == 403:
        return PlatformError(
            f"W&B at {host} does not let this key read '{asked.path}' (403).",
            hint="Ask the project's team for access, or check WANDB_ENTITY and WANDB_PROJECT.",
        )
    if code == 429:
        return PlatformError(
            f"W&B at {host} takes no more requests for now: too many were made with this key (429).",
            hint="Wait a minute; it is asked again by itself. Other programs with the same key count too.",
        )
    if code is not None and code >= 500:
        return PlatformError(
            f"W&B at {host} failed with an error of its own ({code}).",
            hint="Nothing is wrong here; it is asked again by itself. For W&B's cloud, see https://status.wandb.com.",
        )
    if _NO_RUN.search(text):
        return NotFoundError(
            f"W&B at {host} has no run '{asked.path}'.", hint="`python -m backend runs list` shows what there is."
        )
    if code == 404 or _NO_PROJECT.search(text):
        return NotFoundError(
            f"W&B at {host} has no project '{asked.path}' that this key may see.",
            hint="Check WANDB_ENTITY and WANDB_PROJECT. The first run that is synced makes the project: "
            "python -m backend runs sync --all",
        )
    return _unreachable(trouble, asked)


def pause(trouble: CloudTrouble, failures: int) -> float:
    """Seconds until the next question that nobody asked for, after so many failures in a row (1 and more)."""
    wait = _PAUSES.get(trouble.code or 0, 15.0 * 2 ** min(failures - 1, 10))
    return min(max(wait, trouble.retry_after or 0.0), _LONGEST_PAUSE)


def _refused_key(asked: Asked, trouble: CloudTrouble) -> DigitsError:
    site = asked.base_url.rstrip("/").replace("//api.", "//", 1)
    hint = f"Make a key at {site}/authorize, set WANDB_API_KEY to it in .env, and start again."
    if trouble.code is None:
        return PlatformError(f"WANDB_API_KEY is no key of W&B's: {_short(trouble.text)}", hint=hint)
    if asked.accepted_at is not None:
        return PlatformError(
            f"W&B at {asked.host} refuses the key (401), which it took at {asked.accepted_at:%Y-%m-%d %H:%M:%S} UTC: "
            "it was revoked or has expired.",
            hint=hint,
        )
    return PlatformError(f"W&B at {asked.host} does not know the key in WANDB_API_KEY (401).", hint=hint)


def _unreachable(trouble: CloudTrouble, asked: Asked) -> DigitsError:
    """Everything that is not an answer, and answers that mean nothing here."""
    host, text = asked.host, trouble.text
    if trouble.kind in ("ImportError", "ModuleNotFoundError"):
        return SetupError(f"W&B's client cannot be loaded: {_short(text)}", hint="make run")
    if text == ENDED:
        return PlatformError(
            "The process that reads from W&B ended twice without an answer.",
            hint="wandb-cloud/worker.log in the state folder says more; is there enough memory?",
        )
    if _CERTIFICATE.search(text):
        return PlatformError(
            f"The certificate of W&B's server {host} is not trusted: {_short(text)}",
            hint="Set SSL_CERT_FILE to the certificate authority of your server, and check WANDB_BASE_URL.",
        )
    reason = next((words for found, words in _NO_WAY.items() if found in text.lower()), "")
    if reason:
        return PlatformError(
            f"W&B's server {host} cannot be reached: {reason}.",
            hint="Check the network and WANDB_BASE_URL. Trainings go on, and record offline.",
        )
    if _TIMED_OUT.search(text):
        return PlatformError(
            f"W&B's server {host} did not answer in time.",
            hint="Check the network and WANDB_BASE_URL; it is asked again by itself.",
        )
    said = f" ({trouble.code})" if trouble.code else ""
    return PlatformError(
        f"W&B at {host} could not do what was asked{said}: {_short(text) or trouble.kind}",
        hint="Check WANDB_BASE_URL: is it a W&B server, and not much older than this client?",
    )


def _short(text: str) -> str:
    line = text.strip().split("\n")[0]
    return line if len(line) <= 300 else line[:299] + "…"
