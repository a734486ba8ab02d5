"""The tables of this machine's database, as they are now; `migrations` brings older ones here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, TypeDecorator, UniqueConstraint


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime as ISO 8601 text with microseconds: sorts as text, reads well in any SQL shell."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Document(TypeDecorator[Any]):
    """A JSON document as text, with its keys in order."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else json.dumps(value, sort_keys=True, allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        return None if value is None else json.loads(value)


metadata = MetaData()

schema_versions = Table(
    "schema_versions", metadata, Column("version", Integer, primary_key=True), Column("applied_at", UtcTime)
)
jobs = Table(
    "jobs",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("request_key", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("preset", String(63), nullable=False),
    Column("hyperparameters", Document, nullable=False),
    Column("requested_by", String(200), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("failure_reason", Text, nullable=False),
    Column("progress", Float, nullable=False),
    Column("metrics", Document, nullable=False),
    Column("notices", Document, nullable=False),
    Column("resumed_from", String(63), nullable=False),
    Column("tuning_job", String(63), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("run", Text, nullable=False),
    UniqueConstraint("request_key", name="jobs_request_key"),
)
tuning_jobs = Table(
    "tuning_jobs",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("request_key", String(200), nullable=False),
    Column("request", Document, nullable=False),
    Column("status", String(20), nullable=False),
    Column("stop_mode", String(30), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("failure_reason", Text, nullable=False),
    Column("notices", Document, nullable=False),
    UniqueConstraint("request_key", name="tuning_jobs_request_key"),
)
trials = Table(
    "trials",
    metadata,
    Column("tuning_job", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("job", String(63), nullable=False),
    Column("hyperparameters", Document, nullable=False),
    Column("stopped_early", Integer, nullable=False),
)
metric_points = Table(
    "metric_points",
    metadata,
    Column("job", String(63), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("metric_values", Document, nullable=False),
)
model_versions = Table(
    "model_versions",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("source_job", String(63), nullable=False),
    Column("evaluation", Document),
    Column("approval", String(30), nullable=False),
    Column("approval_by", String(200), nullable=False),
    Column("approval_comment", Text, nullable=False),
    Column("approval_at", UtcTime),
    Column("registered_by", String(200), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("sha256", "source_job", name="model_versions_bytes_of_job"),
)
decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("version", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("decided_by", String(200), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("comment", Text, nullable=False),
)
deployments = Table(
    "deployments",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("stage", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("previous_version", Integer),
    Column("previous_sha256", String(64)),
    Column("requested_by", String(200), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("outcome", String(20), nullable=False),
    Column("steps", Document, nullable=False),
    Column("error", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("kind", String(20), nullable=False, server_default="promote"),
    Column("probe", Document),
    Column("origin", Document, nullable=False, server_default="{}"),
    Column("correlation", String(40), nullable=False, server_default=""),
    Column("gates", Document, nullable=False, server_default="[]"),
    Column("gate_override", Document),
)
operations = Table(
    "operations",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("requested_by", String(200), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("status", String(20), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("steps", Document, nullable=False),
    Column("result", Document, nullable=False),
    Column("error", Text, nullable=False),
    Column("hint", Text, nullable=False),
)
audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("outcome", String(40), nullable=False),
    Column("before_values", Document, nullable=False),
    Column("after_values", Document, nullable=False),
    Column("correlation", String(40), nullable=False, server_default=""),
)
hard_examples = Table(
    "hard_examples",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("label", Integer, nullable=False),
    Column("predicted", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("stage", String(20), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("added_by", String(200), nullable=False),
    Column("pixels", Text, nullable=False),
    Column("strokes", Text, nullable=False),
)
traffic_samples = Table(
    "traffic_samples",
    metadata,
    Column("stage", String(20), primary_key=True),
    Column("at_s", Integer, primary_key=True),
    Column("seconds", Float, nullable=False),
    Column("version", Integer, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("p50_ms", Float),
    Column("p95_ms", Float),
    Column("p99_ms", Float),
    Column("queue_ms", Float),
    Column("compute_ms", Float),
    Column("cpu", Float),
    Column("memory", Float),
)
prediction_tallies = Table(
    "prediction_tallies",
    metadata,
    Column("stage", String(20), primary_key=True),
    Column("at_s", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digits", Document, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("unsure", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
)
hard_example_sets = Table(
    "hard_example_sets",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", String(40), nullable=False),
    Column("n", Integer, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("kept_by", String(200), key="by", nullable=False),
    Column("comment", Text, nullable=False),
    UniqueConstraint("name", name="hard_example_sets_name"),
)
