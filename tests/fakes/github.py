"""A stand-in for the part of GitHub's API that the product uses, over HTTP, with one repository.

Written from https://docs.github.com/rest: contents, git references, pull requests, issue comments. It refuses what
GitHub refuses: a wrong token, a blob id that is not the newest, a branch or an open pull request that is there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

REPOSITORY = "ada/digits"
TOKEN = "github_pat_" + "x" * 40


class GitHubStandIn:
    """Branches with their files, pull requests, comments; `requests` is all that was asked, with its headers."""

    def __init__(self) -> None:
        self.branches: dict[str, dict[str, str]] = {"main": {}}
        self.pulls: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = []
        self.numbers = {12}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.answer_with: tuple[int, dict[str, str], bytes] | None = None
        """In place of the next answer: status, headers, body."""
        self.url = ""

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        words = path.removeprefix(f"/repos/{REPOSITORY}").strip("/").split("/")
        match [method, *words]:
            case ["GET", ""]:
                return 200, {"default_branch": "main"}
            case ["GET", "contents", *parts]:
                text = self.branches.get(query["ref"], {}).get("/".join(parts))
                if text is None:
                    return 404, {"message": "Not Found"}
                return 200, {"content": base64.encodebytes(text.encode()).decode(), "sha": blob(text)}
            case ["PUT", "contents", *parts]:
                files, name = self.branches[body["branch"]], "/".join(parts)
                if body["sha"] != blob(files[name]):
                    return 409, {"message": f"{name} does not match {body['sha']}"}
                files[name] = base64.b64decode(body["content"]).decode()
                return 200, {"commit": {"message": body["message"]}}
            case ["GET", "git", "ref", "heads", branch]:
                return 200, {"object": {"sha": f"head-of-{branch}"}}
            case ["POST", "git", "refs"]:
                branch = body["ref"].removeprefix("refs/heads/")
                if branch in self.branches:
                    return 422, {"message": "Reference already exists"}
                self.branches[branch] = dict(self.branches[body["sha"].removeprefix("head-of-")])
                return 201, {"ref": body["ref"]}
            case ["GET", "pulls"]:
                return 200, [pull for pull in self.pulls if query["head"] == f"ada:{pull['head']}"]
            case ["POST", "pulls"]:
                if any(pull["head"] == body["head"] for pull in self.pulls):
                    told = [{"message": f"A pull request already exists for ada:{body['head']}."}]
                    return 422, {"message": "Validation Failed", "errors": told}
                number = 30 + len(self.pulls)
                self.pulls.append(
                    {**body, "number": number, "html_url": f"https://github.com/{REPOSITORY}/pull/{number}"}
                )
                return 201, self.pulls[-1]
            case ["GET", "issues", number, "comments"]:
                first = (int(query["page"]) - 1) * int(query["per_page"])
                return self._on(number, self.comments[first : first + int(query["per_page"])])
            case ["POST", "issues", number, "comments"]:
                made = {
                    "id": 900 + len(self.comments),
                    "body": body["body"],
                    "html_url": f"https://github.com/c/{number}",
                }
                if int(number) in self.numbers:
                    self.comments.append(made)
                return self._on(number, made)
            case ["PATCH", "issues", "comments", known]:
                (comment,) = [one for one in self.comments if one["id"] == int(known)]
                if comment.get("foreign"):
                    return 403, {"message": "Resource not accessible by integration"}
                comment["body"] = body["body"]
                return 200, comment
        return 404, {"message": "Not Found"}

    def _on(self, number: str, answer: Any) -> tuple[int, Any]:
        return (200, answer) if int(number) in self.numbers else (404, {"message": "Not Found"})


def blob(text: str) -> str:
    content = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def serving() -> Iterator[GitHubStandIn]:
    """The stand-in on a port of its own."""
    stand_in = GitHubStandIn()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            asked = urlsplit(self.path)
            stand_in.requests.append((self.command, self.path, dict(self.headers)))
            headers: dict[str, str] = {}
            if stand_in.answer_with is not None:
                status, headers, content = stand_in.answer_with
                stand_in.answer_with = None
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, content = 401, b'{"message": "Bad credentials"}'
            else:
                query = {name: values[0] for name, values in parse_qs(asked.query).items()}
                status, document = stand_in.answer(self.command, unquote(asked.path), query, body)
                content = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = _any  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
