"""The comment on a pull request: the verdict of each way a delivery can end, and text of others that stays text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from backend.domain.delivery import Delivered
from backend.domain.drift import Difference
from backend.domain.gates import GateResult, GateStatus, StagingLook
from backend.domain.model_config import ModelConfig
from backend.domain.origin import Origin
from backend.domain.promotion import Deployment, DeploymentPlan, Outcome
from backend.domain.registry import Approval, ModelVersion
from backend.domain.serving import ServedModel, Stage
from backend.errors import DeploymentFailedError, GateFailedError
from backend.services.delivery_report import LONGEST, marker, report

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SHA = "ab" * 32
ONE = ServedModel(version=1, sha256="cd" * 32)
VERSION = ModelVersion(
    version=2, sha256=SHA, archive="a", size_bytes=1, approval=Approval.APPROVED, created_at=NOON, registered_by="ada"
)
DEPLOYMENT = Deployment(
    id="pr7-staging-v2-0a",
    stage=Stage.STAGING,
    version=2,
    sha256=SHA,
    previous=ONE,
    requested_by="ada",
    started_at=NOON,
    outcome=Outcome.SUCCEEDED,
)
LOOK = StagingLook(
    model=ServedModel(version=2, sha256=SHA),
    at=NOON,
    digits=200,
    asked=200,
    failed=1,
    right=199,
    p50_ms=2.04,
    p99_ms=9.96,
)
BEGUN = Delivered(
    stage=Stage.STAGING,
    endpoint="digit-classification-pr7-staging",
    config=ModelConfig(
        endpoint_name="digit-classification",
        model_uri="model-version:2",
        triton_image_uri="default",
        instance_type="ml.m5.large",
        instance_count=1,
        sagemaker_triton_default_model_name="mnist",
    ),
)
SERVES = replace(BEGUN, version=VERSION, deployment=DEPLOYMENT, look=LOOK)
REFUSED = GateResult(name="not_worse", status=GateStatus.FAILED, reason="It is worse.", observed=0.91, threshold=0.95)
PROD = replace(BEGUN, stage=Stage.PROD, version=VERSION)
PLAN = DeploymentPlan(stage=Stage.PROD, version=VERSION, serving=ONE)


def told(delivered: Delivered, origin: Origin | None = None) -> str:
    return report(delivered, origin or Origin(), NOON)


@pytest.mark.parametrize(
    ("delivered", "verdict"),
    [
        (replace(BEGUN, changes=()), "Nothing to deploy to staging"),
        (SERVES, "✅ staging serves version 2"),
        (
            replace(SERVES, ahead=(REFUSED,), error=GateFailedError("no", gates=(REFUSED,))),
            "❌ version 2 serves on staging, and prod would refuse it",
        ),
        (
            replace(SERVES, ahead=(REFUSED,), error=DeploymentFailedError("The smoke test failed.")),
            "❌ staging does not serve version 2",
        ),
        (
            replace(BEGUN, version=VERSION, gates=(REFUSED,), error=GateFailedError("no", gates=(REFUSED,))),
            "❌ staging refused version 2",
        ),
        (
            replace(PROD, deployment=DEPLOYMENT, taken_back=DEPLOYMENT, error=DeploymentFailedError("misread")),
            "❌ prod was taken back from version 2",
        ),
        (replace(PROD, plan=PLAN), "☑️ Plan for prod: v1 → version 2"),
        (replace(PROD, plan=replace(PLAN, serving=None)), "☑️ Plan for prod: nothing → version 2"),
        (replace(PROD, plan=PLAN, gates=(REFUSED,)), "❌ Plan for prod: v1 → version 2"),
        (replace(PROD, plan=replace(PLAN, serving=LOOK.model)), "prod serves version 2 already"),
        (
            replace(
                PROD,
                plan=replace(PLAN, serving=LOOK.model),
                hosting=(Difference(what="instances", wanted="2", served="1"),),
            ),
            "prod serves version 2 already, hosted otherwise",
        ),
        (replace(BEGUN, error=DeploymentFailedError("no such file")), "❌ staging does not serve the declared model"),
    ],
)
def test_the_verdict_comes_first_below_the_mark(delivered: Delivered, verdict: str) -> None:
    lines = told(delivered).splitlines()
    assert lines[0] == marker(delivered.stage)
    assert lines[2] == f"### {verdict}"


def test_all_that_was_found_out_is_there() -> None:
    said = told(
        replace(
            SERVES,
            changes=(Difference(what="model_uri", wanted="model-version:2", served="model-version:1"),),
            ahead=(REFUSED,),
            trouble=("Version 2 could not be evaluated.",),
        ),
        Origin(commit="f" * 40, run_url="https://github.com/ada/digits/actions/runs/9"),
    )
    for line in (
        "| model\\_uri | model-version:1 | model-version:2 |",
        f"| archive | SHA-256 {SHA} |",
        "| endpoint | digit-classification-pr7-staging |",
        "| deployment | pr7-staging-v2-0a: v1 → v2, Succeeded |",
        "| smoke test | 199 of 200 known digits read right, 1 without answer |",
        "| latency | half within 2.0 ms, 99 of 100 within 10.0 ms |",
        "| ❌ not\\_worse | 0.91 | 0.95 | It is worse. |",
        "> Version 2 could not be evaluated.",
        "commit fffffff, 2026-11-25 12:00 UTC, [the run](https://github.com/ada/digits/actions/runs/9)",
    ):
        assert line in said, line


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[click](https://evil.example)", "\\[click\\]\\(https:\u200b//evil.example\\)"),
        ("@everyone", "@\u200beveryone"),
        ("<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert\\(1\\)\\>"),
        ("a | b", "a \\| b"),
        ("two\nlines\n# and a head", "two lines \\# and a head"),
        ("`code` **bold**", "\\`code\\` \\*\\*bold\\*\\*"),
    ],
)
def test_what_others_wrote_stays_text(written: str, shown: str) -> None:
    version = replace(VERSION, approval_by="eve", approval_comment=written)
    assert f"| approval | Approved by eve: {shown} |" in told(replace(SERVES, version=version))


def test_a_report_is_never_longer_than_github_takes() -> None:
    said = told(replace(SERVES, trouble=("x" * 100,) * 1_000))
    assert LONGEST < len(said) < LONGEST + 100
    assert said.endswith("… cut off: the job's log has the rest.")
