"""Requests to GitHub's REST API. https://docs.github.com/rest/about-the-rest-api/about-the-rest-api"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO, Any, Final

from backend.errors import (
    AccessError,
    DigitsError,
    InvalidInputError,
    NotFoundError,
    PlatformError,
    ThrottledError,
)

DEFAULT_URL: Final = "https://api.github.com"
_VERSION: Final = "2022-11-28"
_SECONDS: Final = 15.0
_LARGEST_BYTES: Final = 10_000_000
_NEEDED: Final = "DIGITS_GITHUB_TOKEN needs 'Contents' and 'Pull requests', read and write, in this repository."


class GitHub:
    """One repository (`owner/name`), with a token that is sent to `base_url` only and told to nobody."""

    def __init__(self, repository: str, token: str, base_url: str = DEFAULT_URL) -> None:
        self.repository = repository
        self._token = token
        self._base = f"{base_url.rstrip('/')}/repos/{repository}"
        # urllib would take the token along to whatever address an answer redirects to.
        self._opener = urllib.request.build_opener(_Stay)

    @property
    def owner(self) -> str:
        return self.repository.partition("/")[0]

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """The document that is answered. Raises `NotFoundError`, `AccessError`, `ThrottledError`, `InvalidInputError`
        for what GitHub does not process, `PlatformError` for everything else.
        """
        url = f"{self._base}{urllib.parse.quote(path)}"
        if query:
            url += f"?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(  # noqa: S310 - settings allow http and https only
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "X-GitHub-Api-Version": _VERSION,
                "User-Agent": "digit-ops",
            },
        )
        doing = f"{method} {path or '/'} of {self.repository}"
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                return json.loads(answer.read(_LARGEST_BYTES) or b"null")
        except urllib.error.HTTPError as error:
            # Not chained: what urllib raises holds the request, and that one the token.
            raise self._refused(error.code, error.headers, error.read(_LARGEST_BYTES), doing) from None
        except urllib.error.URLError as error:
            raise PlatformError(f"GitHub cannot be reached: {self._plain(str(error.reason))}.") from None
        except (OSError, ValueError) as error:
            raise PlatformError(f"GitHub's answer to {doing} cannot be read: {type(error).__name__}.") from None

    def _refused(self, status: int, headers: Message, content: bytes, doing: str) -> DigitsError:
        try:
            told = json.loads(content)
            words = [str(told.get("message", "")), *(str(e.get("message", "")) for e in told.get("errors", []))]
            said = self._plain("; ".join(filter(None, words)))[:300]
        except (ValueError, AttributeError):
            said = ""
        message = f"GitHub answered {status} to {doing}" + (f": {said}." if said else ".")
        if status == 429 or (
            status == 403 and ("Retry-After" in headers or headers.get("X-RateLimit-Remaining") == "0")
        ):
            return ThrottledError(message, hint="Try again in a few minutes.")
        if status in (401, 403):
            return AccessError(message, hint=_NEEDED)
        if status == 404:
            return NotFoundError(message, hint=f"Or the token may not see it: {_NEEDED}")
        if status in (409, 422):
            return InvalidInputError(message)
        return PlatformError(message, hint="Try again; https://www.githubstatus.com tells of troubles.")

    def _plain(self, text: str) -> str:
        return text.replace(self._token, "***") if self._token else text


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """None makes an error of it: a repository that was renamed has to be named anew."""
