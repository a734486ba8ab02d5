"""A stand-in for a W&B server, over real HTTP: the real `wandb` client, its core process and `wandb sync` talk to it.

It covers what this product asks of W&B: who am I, runs by filter, order and page, one run, its history (live, and as
Parquet that the server exported), system metrics, console, files, and the upload of a run with everything it recorded.
It knows GraphQL operations by their names and answers with more fields than were asked for: a query that the real
server would refuse as malformed is not found out here. It counts nothing against a rate limit, keeps no permissions
beyond one key and its entities, and does no artifacts, sweeps or registries. Nothing here was held against W&B's cloud.

Faults are injected: `fail` answers with a status, `hang` never answers, `revoke` refuses the key from now on, `forget`
takes an upload and loses the history, `close` is a host that died.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from tests.fakes.wandb_answers import ANSWERS, receive_stream
from tests.fakes.wandb_store import StoredRun, UnknownFilterError

KEY: Final = "0123456789abcdef0123456789abcdef01234567"
ENTITY: Final = "acme"


@dataclass(kw_only=True)
class Fault:
    """What the next `times` requests of an operation get instead of an answer; status 0 hangs until the server ends."""

    status: int
    times: int = 1_000_000
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"errors": [{"message": "injected"}]}'


class WandbServer:
    """Starts in the constructor, on a free port of 127.0.0.1; `close` ends it."""

    def __init__(self, *, key: str = KEY, entity: str = ENTITY, port: int = 0) -> None:
        self.key = key
        self.entity = entity
        self.projects: dict[tuple[str, str], dict[str, StoredRun]] = {}
        self.asked: list[str] = []
        """Names of the operations that were asked for, in order; `file_stream`, `upload` and `download` among them."""
        self.forgetful: set[str] = set()
        self.lock = threading.RLock()
        self._faults: dict[str, Fault] = {}
        self._ending = threading.Event()
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.wandb = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._http.server_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, run: StoredRun, *, project: str = "digit_classification", entity: str = "") -> StoredRun:
        with self.lock:
            self.projects.setdefault((entity or self.entity, project), {})[run.id] = run
        return run

    def runs(self, project: str = "digit_classification", entity: str = "") -> dict[str, StoredRun]:
        return self.projects.get((entity or self.entity, project), {})

    def run(self, entity: str, project: str, run_id: str) -> StoredRun | None:
        return self.projects.get((entity, project), {}).get(run_id)

    def fail(self, operation: str, status: int, *, times: int = 1_000_000, **headers: str) -> None:
        """Answer `operation` ('Runs', 'file_stream'; '*' for all) with this status, the next `times` times."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._faults[operation] = Fault(status=status, times=times, headers=named)

    def hang(self, operation: str) -> None:
        """Take requests of this operation and never answer."""
        self._faults[operation] = Fault(status=0)

    def heal(self) -> None:
        self._faults.clear()

    def revoke(self) -> None:
        """The key is good no more."""
        self.key = ""

    def forget(self, run_id: str) -> None:
        """Accept uploads of this run's history and lose them."""
        self.forgetful.add(run_id)

    def close(self) -> None:
        """The host dies: nothing listens, and open connections break."""
        self._ending.set()
        self._http.shutdown()
        self._http.server_close()
        self._http.break_connections()

    def fault(self, operation: str) -> Fault | None:
        """What goes wrong with this request, if anything: counts it."""
        with self.lock:
            self.asked.append(operation)
            for name in (operation, "*"):
                fault = self._faults.get(name)
                if fault is not None and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def wait_for_end(self) -> None:
        self._ending.wait(120)

    def file_url(self, entity: str, project: str, run_id: str, name: str) -> str:
        return f"{self.url}/storage/{quote(entity)}/{quote(project)}/{quote(run_id)}/{quote(name)}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a request that hangs must not keep the test
    wandb: WandbServer

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def break_connections(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """A client that went away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits 40 ms
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path == "/graphql":
            self._graphql(json.loads(body))
        elif path.endswith("/file_stream"):
            if self._may_go_on("file_stream"):
                _, _, entity, project, run_id, _ = unquote(path).split("/")
                self._say(200, receive_stream(self.server.wandb, entity, project, run_id, json.loads(body)))
        else:
            self._say(200, {})  # telemetry

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._is_not_broken("upload"):
            return
        run, name = self._stored()
        if run is not None:
            run.files[name] = body
        self._say(200, {})

    def do_GET(self) -> None:
        if not self._is_not_broken("download"):
            return
        run, name = self._stored()
        content = None if run is None else run.parquet() if name == "history.parquet" else run.files.get(name)
        if content is None:
            self._say(404, {"errors": [{"message": "no such file"}]})
            return
        asked = self.headers.get("Range", "")
        first, last = 0, len(content) - 1
        if asked.startswith("bytes="):
            begin, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = (int(begin), min(int(end or last), last)) if begin else (len(content) - int(end), last)
        self._send(
            206 if asked else 200,
            content[first : last + 1],
            {"Content-Range": f"bytes {first}-{last}/{len(content)}", "Accept-Ranges": "bytes"},
        )

    def do_HEAD(self) -> None:
        self.do_GET()

    def _graphql(self, request: dict[str, Any]) -> None:
        operation = request.get("operationName") or _operation_of(request["query"])
        if not self._may_go_on(operation):
            return
        answer = ANSWERS.get(operation)
        if answer is None:
            self._say(400, {"errors": [{"message": f"the stand-in does not know {operation}"}]})
            return
        try:
            with self.server.wandb.lock:
                data = answer(self.server.wandb, request.get("variables") or {})
        except UnknownFilterError as error:
            self._say(400, {"errors": [{"message": f"unknown filter {error}"}]})
            return
        self._say(200, {"data": data})

    def _may_go_on(self, operation: str) -> bool:
        """Without a fault and with the right key."""
        if not self._is_not_broken(operation):
            return False
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        key = base64.b64decode(given).decode().partition(":")[2] if scheme == "Basic" else ""
        if self.server.wandb.key and key == self.server.wandb.key:
            return True
        self._say(401, {"errors": [{"message": "user is not logged in"}]})
        return False

    def _is_not_broken(self, operation: str) -> bool:
        fault = self.server.wandb.fault(operation)
        if fault is None:
            return True
        if fault.status == 0:
            self.server.wandb.wait_for_end()
            self.close_connection = True
        else:
            self._send(fault.status, fault.body, fault.headers)
        return False

    def _stored(self) -> tuple[StoredRun | None, str]:
        _, _, entity, project, run_id, *name = unquote(urlsplit(self.path).path).split("/")
        return self.server.wandb.run(entity, project, run_id), "/".join(name)

    def _say(self, status: int, document: Any) -> None:
        self._send(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _operation_of(query: str) -> str:
    """The name after the first `query` or `mutation`."""
    words = query.replace("(", " ").replace("{", " ").split()
    at = next(i for i, word in enumerate(words) if word in ("query", "mutation"))
    return words[at + 1]
