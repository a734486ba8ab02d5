"""The one process that imports the `wandb` client to read from a server; it speaks JSON lines on its pipes.

    {"id": 1, "do": "runs", "with": {...}}            on standard input
    {"id": 1, "result": ...}                          on standard output, in the order in which they are ready
    {"id": 1, "error": {"status": 429, "kind": "WandbApiFailedError", "text": "..."}}

It is apart from the dashboard because the import takes over a second and 90 MB, because its requests go through a
second process (wandb-core) whose death only a new start mends, and because a page must never wait for a server. It
ends when its input ends, that is with whoever started it, and when nobody asked for some minutes. The key comes in the
environment and is in no answer.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from backend.adapters.wandb.cloud_columns import write_columns
from backend.adapters.wandb.plain_question import plain_answer
from backend.adapters.wandb.secrets import scrubbed

_IDLE_SECONDS: Final = 300.0
_AT_ONCE: Final = 8
"""Requests to the server at the same time: its limits count requests a second."""
_REQUEST_SECONDS: Final = 10
_RUNS_IN_PAGE: Final = 200
"""With histograms in summaries a run can have 100 kB; the client's own 50 makes four times as many requests."""
_CHANGES_IN_PAGE: Final = 20
_ROWS_IN_PAGE: Final = 1000
"""The client's own number: a server that gave fewer rows than were asked for would lose the rest without a word."""
_CORE_DIED: Final = "the service process is not running"
_CORE_WAITS: Final = "did not respond in time"

Json = Any


class Reader:
    """What can be asked. Each method is safe to call from several threads."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lock = threading.Lock()
        self._api: Any = None
        self._known: dict[tuple[str, str, str], Any] = {}

    def check(self, entity: str, project: str) -> Json:
        """Who the key belongs to, how many runs the project has (-1: there is no such project), and the latency."""
        api = self._fresh()
        entity = entity or api.default_entity
        asked = time.monotonic()
        try:
            count = len(api.runs(f"{entity}/{project}", per_page=1))
        except ValueError:  # the client's word for a project that is not there
            count = -1
        return {"entity": entity, "runs": count, "milliseconds": 1000 * (time.monotonic() - asked)}

    def runs(self, entity: str, project: str, limit: int, filters: Mapping[str, Any]) -> Json:
        """The newest `limit` runs that pass W&B's (MongoDB's) filters, newest first."""
        entity, pages = self._pages(entity, project, "-created_at", min(_RUNS_IN_PAGE, limit), filters)
        # A run that begins between two pages moves the others: one may then come twice.
        found: dict[str, Json] = {}
        for run in pages:
            found.setdefault(run.id, self._document(run))
            if len(found) >= limit:
                break
        return {"entity": entity, "total": len(pages), "runs": list(found.values())}

    def changes(self, entity: str, project: str, since: str, limit: int, filters: Mapping[str, Any]) -> Json:
        """The runs that gave a sign of life at `since` (as the server writes times) or later, at most `limit`."""
        entity, pages = self._pages(entity, project, "-heartbeat_at", _CHANGES_IN_PAGE, filters)
        found: dict[str, Json] = {}
        for run in pages:
            document = self._document(run)
            if (document["heartbeat_at"] or "") < since or len(found) >= limit:
                break
            found.setdefault(run.id, document)
        return {"entity": entity, "total": len(pages), "runs": list(found.values())}

    def run(self, entity: str, project: str, run: str) -> Json:
        """One run as it is now."""
        api = self._fresh()
        return self._document(api.run(f"{entity or api.default_entity}/{project}/{run}"))

    def history(self, entity: str, project: str, run: str, after: int, to: str) -> Json:
        """Write the history after step `after` to the file `to`; says how many rows there were."""
        # The client's own cache of exported histories never notices that the server has another one.
        rows = self._run(entity, project, run).scan_history(
            min_step=after + 1, page_size=_ROWS_IN_PAGE, use_cache=False
        )
        return write_columns(to, rows)

    def system(self, entity: str, project: str, run: str, samples: int, to: str) -> Json:
        """Write at most `samples` rows of the system metrics to the file `to`."""
        rows = self._run(entity, project, run).history(stream="system", samples=samples, pandas=False)
        return write_columns(to, rows)

    def console(self, entity: str, project: str, run: str, last: int) -> Json:
        """The last lines of what the run printed."""
        return [
            {"text": line.content, "level": line.level, "at": line.timestamp.isoformat() if line.timestamp else None}
            for line in self._run(entity, project, run).console_logs(last=last)
        ]

    def file(self, entity: str, project: str, run: str, name: str, to: str, largest: int) -> Json:
        """Download one file of the run to the file `to`, unless it is larger than `largest` bytes.

        Says how large it is; None when there is no such file.
        """
        found = list(self._run(entity, project, run).files(names=[name]))
        if not found:
            return {"size": None}
        if found[0].size <= largest:
            with (
                tempfile.TemporaryDirectory(dir=Path(to).parent) as aside,
                found[0].download(root=aside) as downloaded,
            ):
                Path(downloaded.name).rename(to)
        return {"size": found[0].size}

    def _pages(
        self, entity: str, project: str, order: str, per_page: int, filters: Mapping[str, Any]
    ) -> tuple[str, Any]:
        api = self._fresh()
        entity = entity or api.default_entity
        path = f"{entity}/{project}"
        # Not lazy: else every run's configuration is a request of its own.
        return entity, api.runs(path, filters=dict(filters), order=order, per_page=per_page, lazy=False)

    def _run(self, entity: str, project: str, run: str) -> Any:
        """The client's object of the run: what is read through it is asked of the server anew."""
        known = self._known.get((entity, project, run))
        if known is not None:
            return known
        api = self._fresh()
        return api.run(f"{entity or api.default_entity}/{project}/{run}")

    def _document(self, run: Any) -> Json:
        self._known[run.entity, run.project, run.id] = run
        keys = getattr(run, "history_keys", None) or {}
        internal = run.rawconfig.get("_wandb") or {}
        return {
            "id": run.id,
            "name": run.name or run.id,
            "entity": run.entity,
            "project": run.project,
            "url": run.url,
            "state": run.state,
            "created_at": run.created_at,
            "heartbeat_at": getattr(run, "heartbeat_at", None),
            "tags": list(run.tags or ()),
            "group": getattr(run, "group", None) or "",
            "job_type": getattr(run, "job_type", None) or "",
            "notes": getattr(run, "notes", None) or "",
            "config": dict(run.config),
            "summary": dict(run.summary_metrics),
            "environment": next(iter((internal.get("e") or {}).values()), {}),
            "definitions": internal.get("m") or [],
            "rows": getattr(run, "history_line_count", None),
            "last_step": keys.get("lastStep", -1),
            "metrics": sorted(keys.get("keys") or ()),
        }

    def _fresh(self) -> Any:
        """The client, made and its key checked once, with nothing remembered of earlier answers: it would give a run
        the state it had when it was first asked for, for ever.
        """
        with self._lock:
            if self._api is None:
                import wandb

                overrides = {"base_url": self._environ["WANDB_BASE_URL"]}
                if self._environ.get("WANDB_ENTITY"):  # else the client asks for the default one each time
                    overrides["entity"] = self._environ["WANDB_ENTITY"]
                key = self._environ["WANDB_API_KEY"]
                self._api = wandb.Api(api_key=key, overrides=overrides, timeout=_REQUEST_SECONDS)
            self._api.flush()
            return self._api


def failure(error: BaseException, ask: Callable[[], Json]) -> Json:
    """What is known of a failure: the server's status if it answered, and what the client made of it.

    When the client only says that it waited in vain, `ask` finds out why: a server that is away, one that hangs and one
    that wants to be left alone for a minute (`Retry-After`) all look the same to it.
    """
    answers = (getattr(one, "response", None) for one in _chain(error))
    status = next(filter(None, (getattr(answer, "http_status", None) for answer in answers)), None)
    texts = dict.fromkeys(str(one) for one in _chain(error))
    told: Json = {"status": status, "kind": type(error).__name__, "text": "; ".join(texts)}
    if status is None and _CORE_WAITS in told["text"]:
        told |= ask()
    return {**told, "text": scrubbed(told["text"])[:2000]}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it came from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_a_dead_core(error: BaseException) -> bool:
    """Whether the connection to wandb-core, on this machine, is what broke."""
    return (
        isinstance(error, ConnectionError)
        or type(error).__name__ in ("MailboxClosedError", "HandleAbandonedError")
        or _CORE_DIED in str(error)
    )


def serve(requests: Iterator[str], answers: Any, reader: Any, ask: Callable[[], Json]) -> None:
    """Answer until the requests end; several are worked on at once."""
    writing = threading.Lock()

    def answer(request: Mapping[str, Any]) -> None:
        try:
            answered = {"result": getattr(reader, request["do"])(**request["with"])}
        except Exception as error:  # noqa: BLE001 - whatever the client raises is told to who asked
            if any(_is_of_a_dead_core(one) for one in _chain(error)):
                _leave(3)  # nothing in this process can bring wandb-core back; a new one is asked again
            answered = {"error": failure(error, ask)}
        with writing:
            answers.write(json.dumps({"id": request["id"], **answered}) + "\n")
            answers.flush()

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for line in requests:
            threads.submit(answer, json.loads(line))


def _lines(idle_seconds: float) -> Iterator[str]:
    """Lines of standard input; ends when none came for so long."""
    waiting = b""
    while select.select([0], [], [], idle_seconds)[0]:
        chunk = os.read(0, 65536)
        if not chunk:
            _leave(0)  # whoever asked is gone: nobody waits for what is under way
        *whole, waiting = (waiting + chunk).split(b"\n")
        yield from (line.decode() for line in whole)


def _leave(code: int) -> None:
    """At once: the client's own end would wait for the server."""
    shutil.rmtree(os.environ["WANDB_DIR"], ignore_errors=True)
    os._exit(code)


def main(arguments: Sequence[str]) -> None:
    """`arguments`: the seconds without a question after which it ends."""
    key, base_url = os.environ["WANDB_API_KEY"], os.environ["WANDB_BASE_URL"]
    # Whatever the client prints must not end up between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    idle_seconds = float(arguments[0]) if arguments else _IDLE_SECONDS
    serve(_lines(idle_seconds), answers, Reader(os.environ), lambda: plain_answer(base_url, key))
    _leave(0)


if __name__ == "__main__":
    main(sys.argv[1:])
