"""How the database became what it is: each entry brings one of the version before to the next."""

from __future__ import annotations

from typing import Final

from backend.adapters.local.append_only import never_changed

# Each entry brings a database of the version before to the next. Entries are only ever added: a database that an
# operator keeps has run the ones before. The first makes the tables as they stood when it was written.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE jobs (name VARCHAR(63) PRIMARY KEY, request_key VARCHAR(200) NOT NULL,
        kind VARCHAR(20) NOT NULL, status VARCHAR(20) NOT NULL, preset VARCHAR(63) NOT NULL,
        hyperparameters TEXT NOT NULL,
        requested_by VARCHAR(200) NOT NULL, created_at VARCHAR(32) NOT NULL, started_at VARCHAR(32),
        ended_at VARCHAR(32), failure_reason TEXT NOT NULL, progress FLOAT NOT NULL, metrics TEXT NOT NULL,
        notices TEXT NOT NULL, resumed_from VARCHAR(63) NOT NULL, sha256 VARCHAR(64) NOT NULL, run TEXT NOT NULL,
        CONSTRAINT jobs_request_key UNIQUE (request_key))""",
        """CREATE TABLE metric_points (job VARCHAR(63) NOT NULL, seq INTEGER NOT NULL, at VARCHAR(32) NOT NULL,
        metric_values TEXT NOT NULL, PRIMARY KEY (job, seq))""",
        """CREATE TABLE model_versions (version INTEGER PRIMARY KEY, sha256 VARCHAR(64) NOT NULL,
        size_bytes INTEGER NOT NULL, source_job VARCHAR(63) NOT NULL, evaluation TEXT, approval VARCHAR(30) NOT NULL,
        approval_by VARCHAR(200) NOT NULL, approval_comment TEXT NOT NULL, approval_at VARCHAR(32),
        registered_by VARCHAR(200) NOT NULL, created_at VARCHAR(32) NOT NULL,
        CONSTRAINT model_versions_bytes_of_job UNIQUE (sha256, source_job))""",
        """CREATE TABLE deployments (id VARCHAR(80) PRIMARY KEY, stage VARCHAR(20) NOT NULL, version INTEGER NOT NULL,
        sha256 VARCHAR(64) NOT NULL, previous_version INTEGER, previous_sha256 VARCHAR(64),
        requested_by VARCHAR(200) NOT NULL, started_at VARCHAR(32) NOT NULL, ended_at VARCHAR(32),
        outcome VARCHAR(20) NOT NULL, steps TEXT NOT NULL, error TEXT NOT NULL, hint TEXT NOT NULL)""",
        """CREATE TABLE audit_events (id INTEGER PRIMARY KEY, at VARCHAR(32) NOT NULL, actor VARCHAR(200) NOT NULL,
        action VARCHAR(40) NOT NULL, subject VARCHAR(200) NOT NULL, outcome VARCHAR(40) NOT NULL,
        before_values TEXT NOT NULL, after_values TEXT NOT NULL)""",
        """CREATE TABLE hard_examples (id VARCHAR(64) PRIMARY KEY, label INTEGER NOT NULL, predicted INTEGER NOT NULL,
        version INTEGER NOT NULL, stage VARCHAR(20) NOT NULL, at VARCHAR(32) NOT NULL,
        added_by VARCHAR(200) NOT NULL, pixels TEXT NOT NULL, strokes TEXT NOT NULL)""",
    ),
    (
        "ALTER TABLE deployments ADD COLUMN kind VARCHAR(20) NOT NULL DEFAULT 'promote'",
        """CREATE TABLE operations (id VARCHAR(80) PRIMARY KEY, kind VARCHAR(20) NOT NULL,
        requested_by VARCHAR(200) NOT NULL, started_at VARCHAR(32) NOT NULL, ended_at VARCHAR(32),
        status VARCHAR(20) NOT NULL, attempt INTEGER NOT NULL, steps TEXT NOT NULL, result TEXT NOT NULL,
        error TEXT NOT NULL, hint TEXT NOT NULL)""",
    ),
    ("ALTER TABLE jobs ADD COLUMN tuning_job VARCHAR(63) NOT NULL DEFAULT ''",),
    (
        """CREATE TABLE tuning_jobs (name VARCHAR(32) PRIMARY KEY, request_key VARCHAR(200) NOT NULL,
        request TEXT NOT NULL, status VARCHAR(20) NOT NULL, stop_mode VARCHAR(30) NOT NULL,
        created_at VARCHAR(32) NOT NULL, started_at VARCHAR(32), ended_at VARCHAR(32), failure_reason TEXT NOT NULL,
        notices TEXT NOT NULL, CONSTRAINT tuning_jobs_request_key UNIQUE (request_key))""",
        """CREATE TABLE trials (tuning_job VARCHAR(32) NOT NULL, number INTEGER NOT NULL, job VARCHAR(63) NOT NULL,
        hyperparameters TEXT NOT NULL, stopped_early INTEGER NOT NULL, PRIMARY KEY (tuning_job, number))""",
    ),
    (
        "ALTER TABLE deployments ADD COLUMN gates TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE deployments ADD COLUMN gate_override TEXT",
    ),
    (
        """CREATE TABLE decisions (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, kind VARCHAR(20) NOT NULL,
        decided_by VARCHAR(200) NOT NULL, at VARCHAR(32) NOT NULL, comment TEXT NOT NULL)""",
        # Of the versions there are, the last decision is known.
        """INSERT INTO decisions (version, kind, decided_by, at, comment)
        SELECT version, approval, approval_by, approval_at, approval_comment FROM model_versions
        WHERE approval_at IS NOT NULL AND approval IN ('Approved', 'Rejected') ORDER BY approval_at""",
    ),
    (
        "ALTER TABLE deployments ADD COLUMN probe TEXT",
        "ALTER TABLE deployments ADD COLUMN origin TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE deployments ADD COLUMN correlation VARCHAR(40) NOT NULL DEFAULT ''",
        "ALTER TABLE audit_events ADD COLUMN correlation VARCHAR(40) NOT NULL DEFAULT ''",
        "CREATE INDEX audit_events_by_time ON audit_events (at, id)",
        *never_changed("audit_events"),
        *never_changed("deployments", while_open="outcome = 'InProgress'"),
    ),
    (
        # Times are whole seconds since 1970: a chart's steps are then a division, in any database.
        """CREATE TABLE traffic_samples (stage VARCHAR(20) NOT NULL, at_s INTEGER NOT NULL, seconds FLOAT NOT NULL,
        version INTEGER NOT NULL, requests INTEGER NOT NULL, failed INTEGER NOT NULL, p50_ms FLOAT, p95_ms FLOAT,
        p99_ms FLOAT, queue_ms FLOAT, compute_ms FLOAT, cpu FLOAT, memory FLOAT, PRIMARY KEY (stage, at_s))""",
        """CREATE TABLE prediction_tallies (stage VARCHAR(20) NOT NULL, at_s INTEGER NOT NULL,
        version INTEGER NOT NULL, digits TEXT NOT NULL, confidence FLOAT NOT NULL, unsure INTEGER NOT NULL,
        failed INTEGER NOT NULL, PRIMARY KEY (stage, at_s, version))""",
    ),
    (
        """CREATE TABLE hard_example_sets (sha256 VARCHAR(64) PRIMARY KEY, name VARCHAR(40) NOT NULL,
        n INTEGER NOT NULL, at VARCHAR(32) NOT NULL, kept_by VARCHAR(200) NOT NULL, comment TEXT NOT NULL,
        CONSTRAINT hard_example_sets_name UNIQUE (name))""",
        *never_changed("hard_example_sets", key="sha256"),
    ),
)
