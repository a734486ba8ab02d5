"""What the stand-in for a W&B server says to each operation that it knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tests.fakes.wandb_store import StoredRun, matching, moment

if TYPE_CHECKING:
    from tests.fakes.wandb_server import WandbServer

Variables = Mapping[str, Any]
Answer = Callable[["WandbServer", Variables], Any]


def _viewer(server: WandbServer, _: Variables) -> Any:
    viewer = {
        "id": "VXNlcjox",
        "entity": server.entity,
        "username": "ada",
        "name": "Ada",
        "email": "ada@example.com",
        "admin": False,
        "flags": "{}",
        "deletedAt": None,
        "teams": {"edges": [{"node": {"name": server.entity}}]},
        "apiKeys": {"edges": []},
        "defaultEntity": {"name": server.entity},
    }
    return {"viewer": viewer}


def _runs(server: WandbServer, asked: Variables) -> Any:
    project = server.projects.get((asked["entity"], asked["project"]))
    if project is None:
        return {"project": None}
    found = matching(project.values(), json.loads(asked.get("filters") or "{}"), asked.get("order") or "+created_at")
    begin = int(asked["cursor"] or 0)
    page = found[begin : begin + (asked.get("perPage") or 50)]
    end = begin + len(page)
    edges = [{"node": run.node(), "cursor": str(begin + i + 1)} for i, run in enumerate(page)]
    info = {"endCursor": str(end), "hasNextPage": end < len(found)}
    return {
        "project": {
            "internalId": "7",
            "runCount": len(found),
            "readOnly": False,
            "runs": {"edges": edges, "pageInfo": info},
        }
    }


def _run(server: WandbServer, asked: Variables) -> Any:
    return _of_run(server, asked, lambda run: run.node())


def _of_run(server: WandbServer, asked: Variables, part: Callable[[StoredRun], Any]) -> Any:
    """The answer about one run, under the names by which the operations call it."""
    if (asked["entity"], asked["project"]) not in server.projects:
        return {"project": None}
    name = asked.get("name") or asked.get("run") or asked.get("runName") or ""
    run = server.run(asked["entity"], asked["project"], name)
    return {"project": {"internalId": "7", "run": None if run is None else part(run)}}


def _full_history(server: WandbServer, asked: Variables) -> Any:
    """At most `samples` rows, evenly taken. Real servers choose them in a way that is not documented."""

    def part(run: StoredRun) -> Any:
        samples = asked.get("samples") or 500
        return {
            name: [json.dumps(row) for row in rows[:: max(1, -(-len(rows) // samples))]]
            for name, rows in (("history", run.history), ("events", run.events))
        }

    return _of_run(server, asked, part)


def _history_page(server: WandbServer, asked: Variables) -> Any:
    low, high, size = int(asked["minStep"]), int(asked["maxStep"]), asked.get("pageSize") or asked.get("samples")

    def part(run: StoredRun) -> Any:
        rows = [row for row in run.history if low <= row["_step"] < high]
        return {"history": [json.dumps(row) for row in rows[:size]]}

    return _of_run(server, asked, part)


def _sampled_history(server: WandbServer, asked: Variables) -> Any:
    """For each specification the rows that have all of its keys, `minStep` to `maxStep`, both included."""
    specs = [json.loads(spec) for spec in asked.get("specs") or [asked["spec"]]]

    def rows(run: StoredRun, spec: Mapping[str, Any]) -> Any:
        low, high = spec.get("minStep", 0), spec.get("maxStep", run.last_step)
        keys = spec["keys"]
        return [
            {key: row[key] for key in keys}
            for row in run.history
            if all(key in row for key in keys) and low <= row["_step"] <= high
        ]

    return _of_run(server, asked, lambda run: {"sampledHistory": [rows(run, spec) for spec in specs]})


def _parquet(server: WandbServer, asked: Variables) -> Any:
    def part(run: StoredRun) -> Any:
        url = server.file_url(asked["entity"], asked["project"], run.id, "history.parquet")
        live = [] if run.exported else [{"_step": row["_step"]} for row in run.history[:1]]
        return {"parquetHistory": {"parquetUrls": [url] if run.exported else [], "liveData": live}}

    return _of_run(server, asked, part)


def _log(server: WandbServer, asked: Variables) -> Any:
    def part(run: StoredRun) -> Any:
        total = len(run.log)
        begin = max(0, total - asked["last"]) if asked.get("last") else int(asked.get("after") or 0)
        end = total if asked.get("last") else min(total, begin + (asked.get("first") or 1000))
        nodes = [
            {"number": i, "timestamp": moment(run.created_at), "level": "", "label": "", "line": run.log[i]}
            for i in range(begin, end)
        ]
        info = {"endCursor": str(end), "hasNextPage": end < total}
        return {"logLineCount": total, "logLines": {"edges": [{"node": node} for node in nodes], "pageInfo": info}}

    return _of_run(server, asked, part)


def _files(server: WandbServer, asked: Variables) -> Any:
    def part(run: StoredRun) -> Any:
        names = asked.get("fileNames") or []
        prefix = (asked.get("pattern") or "%").rstrip("%")
        found = [name for name in sorted(run.files) if (not names or name in names) and name.startswith(prefix)]
        begin = int(asked.get("fileCursor") or 0)
        page = found[begin : begin + (asked.get("fileLimit") or 50)]
        nodes = [_file_node(server, asked, run, name) for name in page]
        edges = [{"node": node, "cursor": str(begin + i + 1)} for i, node in enumerate(nodes)]
        info = {"endCursor": str(begin + len(page)), "hasNextPage": begin + len(page) < len(found)}
        return {"fileCount": len(found), "files": {"edges": edges, "pageInfo": info}}

    return _of_run(server, asked, part)


def _file_node(server: WandbServer, asked: Variables, run: StoredRun, name: str) -> Any:
    url = server.file_url(asked["entity"], asked["project"], run.id, name)
    return {
        "id": name,
        "name": name,
        "url": url,
        "directUrl": url,
        "sizeBytes": len(run.files[name]),
        "mimetype": "application/octet-stream",
        "updatedAt": moment(run.created_at),
        "md5": "",
    }


def _resume_status(server: WandbServer, asked: Variables) -> Any:
    run = server.run(asked.get("entity") or server.entity, asked["project"], asked["name"])
    bucket = None if run is None else {**run.node(), "historyTail": "[]", "eventsTail": "[]", "wandbConfig": "{}"}
    entity = {"id": "e", "name": asked.get("entity") or server.entity}
    return {"model": {"id": "7", "name": asked["project"], "entity": entity, "bucket": bucket}}


def _upsert(server: WandbServer, asked: Variables) -> Any:
    """Makes the run, or changes what was said of it. A missing project is made, as the real server does."""
    entity, project = asked.get("entity") or server.entity, asked.get("project") or "uncategorized"
    run_id = asked.get("name") or str(asked["id"]).removeprefix("storage-")
    run = server.run(entity, project, run_id)
    inserted = run is None
    if run is None:
        run = server.add(
            StoredRun(id=run_id, state="running", created_at=datetime.now(UTC)), project=project, entity=entity
        )
    run.name = asked.get("displayName") or run.name
    run.group = asked.get("groupName") or run.group
    run.job_type = asked.get("jobType") or run.job_type
    run.notes = asked.get("notes") or run.notes
    run.tags = asked.get("tags") or run.tags
    run.heartbeat_at = datetime.now(UTC)
    if asked.get("config"):
        config = {key: item["value"] for key, item in json.loads(asked["config"]).items()}
        run.internal = config.pop("_wandb", run.internal)
        run.config |= config
    bucket = {
        **run.node(),
        "project": {"id": "7", "name": project, "entity": {"id": "e", "name": entity}},
    }
    return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}


def _create_files(server: WandbServer, asked: Variables) -> Any:
    files = [
        {"name": name, "uploadUrl": server.file_url(asked["entity"], asked["project"], asked["run"], name)}
        for name in asked["files"]
    ]
    return {"createRunFiles": {"runID": f"storage-{asked['run']}", "uploadHeaders": [], "files": files}}


def receive_stream(server: WandbServer, entity: str, project: str, run_id: str, sent: Mapping[str, Any]) -> Any:
    """One piece of a run's upload. The real server may show it some seconds later; this one shows it at once."""
    with server.lock:
        run = server.run(entity, project, run_id)
        if run is None:
            return {}
        run.heartbeat_at = datetime.now(UTC)
        for name, chunk in (sent.get("files") or {}).items():
            lines = chunk.get("content") or []
            if name == "wandb-history.jsonl" and run_id not in server.forgetful:
                run.history[int(chunk.get("offset", 0)) :] = [json.loads(line) for line in lines]
            elif name == "wandb-events.jsonl":
                run.events[int(chunk.get("offset", 0)) :] = [json.loads(line) for line in lines]
            elif name == "wandb-summary.json" and lines:
                run.summary = json.loads(lines[-1])
            elif name == "output.log":
                run.log[int(chunk.get("offset", 0)) :] = lines
        if sent.get("complete"):
            run.exit_code = int(sent.get("exitcode") or 0)
            run.state = "finished" if run.exit_code == 0 else "failed"
    return {}


ANSWERS: Final[Mapping[str, Answer]] = {
    "Viewer": _viewer,
    "GetViewer": _viewer,
    "GetDefaultEntity": _viewer,
    "Runs": _runs,
    "Run": _run,
    "RunState": _run,
    "RunHistoryKeys": _run,
    "RunFullHistory": _full_history,
    "RunSampledHistory": _sampled_history,
    "SampledHistoryPage": _sampled_history,
    "HistoryPage": _history_page,
    "RunParquetHistory": _parquet,
    "RunConsoleLogTail": _log,
    "RunConsoleLogPage": _log,
    "RunFiles": _files,
    "RunResumeStatus": _resume_status,
    "UpsertBucket": _upsert,
    "CreateRunFiles": _create_files,
    "RunStoppedStatus": lambda server, asked: {"project": {"run": {"stopped": False}}},
    "OrganizationCoreWeaveOrganizationID": lambda server, asked: {"entity": {"organization": None}},
    "MarkRunFilesUploaded": lambda server, asked: {"markRunFilesUploaded": {"success": True}},
    "ServerInfo": lambda server, asked: {"serverInfo": {"features": []}},
    "ServerFeaturesQuery": lambda server, asked: {"serverInfo": {"features": []}},
}
