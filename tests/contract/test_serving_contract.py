"""What every serving platform keeps; `backend.ports.serving` in executable form."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.adapters.triton.canary import canary_images
from backend.domain.capabilities import Feature
from backend.domain.promotion import STEPS
from backend.domain.serving import EndpointStatus, ServedModel, Stage
from backend.domain.steps import StepStatus
from backend.errors import (
    ArchiveRejectedError,
    DeploymentFailedError,
    EndpointUnavailableError,
    InvalidInputError,
    RefusedError,
    StageBusyError,
    StoreError,
)
from tests.contract import archives
from tests.contract.serving_platforms import Bench, bench

__all__ = ["bench"]

STAGE = Stage.STAGING


def ignore(step: str, status: StepStatus, detail: str) -> None:
    """A `Report` for tests that are not about the steps."""


def served_from(version: int, path: Path) -> ServedModel:
    return ServedModel(version=version, sha256=archives.digest_of(path))


def deploy(bench: Bench, folder: Path, version: int = 1, *, sharpness: float = 1.0) -> ServedModel:
    path = archives.good_archive(folder / f"archive-{version}.tar.gz", sharpness=sharpness)
    target = served_from(version, path)
    endpoint = bench.platform.deploy(STAGE, target, path, ignore)
    assert endpoint.served == target
    return target


class TestBeforeAnything:
    def test_a_stage_without_a_deployment_says_so(self, bench: Bench) -> None:
        endpoint = bench.platform.describe(STAGE)
        assert endpoint.status is EndpointStatus.NOT_DEPLOYED
        assert endpoint.wanted is None
        assert endpoint.served is None
        with pytest.raises(EndpointUnavailableError):
            bench.platform.predict(STAGE, canary_images())
        with pytest.raises(EndpointUnavailableError):
            bench.platform.measure(STAGE)

    def test_deleting_suspending_and_resuming_nothing_is_no_error(self, bench: Bench) -> None:
        bench.platform.resume(STAGE)
        bench.platform.suspend(STAGE)
        bench.platform.delete(STAGE)
        assert bench.platform.describe(STAGE).status is EndpointStatus.NOT_DEPLOYED


class TestDrift:
    def test_what_is_loaded_past_the_deployments_is_told_and_answers(self, bench: Bench, tmp_path: Path) -> None:
        wanted = deploy(bench, tmp_path, 1)
        assert bench.platform.describe(STAGE).drift == ()
        path = archives.good_archive(tmp_path / "other.tar.gz", sharpness=2.0)
        other = served_from(2, path)

        bench.load_past(STAGE, other, path)

        # While the drift is being recorded, the stage is held as in a deployment.
        bench.wait_until(lambda: bench.platform.describe(STAGE).status is EndpointStatus.IN_SERVICE)
        endpoint = bench.platform.describe(STAGE)
        assert (endpoint.status, endpoint.wanted, endpoint.served) == (EndpointStatus.IN_SERVICE, wanted, other)
        assert not endpoint.in_step
        told = {difference.what: (difference.wanted, difference.served) for difference in endpoint.drift}
        assert told["version"] == ("1", "2")
        assert told["archive"] == (wanted.sha256[:12], other.sha256[:12])
        assert bench.platform.predict(STAGE, canary_images()).version == 2
        assert bench.platform.measure(STAGE).version == 2

    @pytest.mark.parametrize("version", [1, 2])
    def test_deploying_either_of_the_two_ends_it(self, bench: Bench, tmp_path: Path, version: int) -> None:
        wanted = deploy(bench, tmp_path, 1)
        path = archives.good_archive(tmp_path / "archive-2.tar.gz", sharpness=2.0)
        bench.load_past(STAGE, served_from(2, path), path)
        target, file = {1: (wanted, tmp_path / "archive-1.tar.gz"), 2: (served_from(2, path), path)}[version]

        endpoint = bench.platform.deploy(STAGE, target, file, ignore)

        assert (endpoint.status, endpoint.wanted, endpoint.served) == (EndpointStatus.IN_SERVICE, target, target)
        assert endpoint.in_step


class TestSteps:
    def test_each_step_is_told_and_the_old_version_answers_until_the_switch(self, bench: Bench, tmp_path: Path) -> None:
        deploy(bench, tmp_path, 1)
        path = archives.good_archive(tmp_path / "archive-2.tar.gz", sharpness=2.0)
        answered: dict[tuple[str, StepStatus], int] = {}
        seen: list[str] = []

        def look(step: str, status: StepStatus, detail: str) -> None:
            answered[step, status] = bench.platform.predict(STAGE, canary_images()).version
            seen.extend([detail] if status is StepStatus.COMPLETED else [])

        bench.platform.deploy(STAGE, served_from(2, path), path, look)
        told = [(step, status) for step in STEPS for status in (StepStatus.IN_PROGRESS, StepStatus.COMPLETED)]
        switched = told.index(("switch", StepStatus.COMPLETED))
        assert list(answered.items()) == [(step, 1 if i < switched else 2) for i, step in enumerate(told)]
        assert all(0 < len(detail) <= 120 for detail in seen), seen

    def test_a_deployment_that_fails_in_any_step_leaves_the_old_version(self, bench: Bench, tmp_path: Path) -> None:
        target = deploy(bench, tmp_path, 1)
        before = bench.platform.describe(STAGE)
        path = archives.good_archive(tmp_path / "archive-2.tar.gz", sharpness=2.0)
        for failing in STEPS:

            def fail(step: str, status: StepStatus, _: str) -> None:
                if (step, status) == (failing, StepStatus.IN_PROGRESS):  # noqa: B023
                    raise StoreError("The record cannot be written.")

            with pytest.raises(StoreError):
                bench.platform.deploy(STAGE, served_from(2, path), path, fail)
            assert bench.platform.predict(STAGE, canary_images()).version == target.version, failing
            assert bench.platform.describe(STAGE) == before, failing


class TestServing:
    def test_a_stage_serves_what_was_deployed_until_it_is_deleted(self, bench: Bench, tmp_path: Path) -> None:
        path = archives.good_archive(tmp_path / "model.tar.gz")
        target = served_from(3, path)
        reports: list[tuple[str, StepStatus]] = []
        returned = bench.platform.deploy(STAGE, target, path, lambda step, status, _: reports.append((step, status)))

        assert reports == [
            (step, status) for step in STEPS for status in (StepStatus.IN_PROGRESS, StepStatus.COMPLETED)
        ]
        endpoint = bench.platform.describe(STAGE)
        assert endpoint.status is EndpointStatus.IN_SERVICE, endpoint.detail
        assert endpoint.wanted == endpoint.served == returned.served == target
        assert endpoint.url.startswith(bench.url) and bool(endpoint.url) is bool(bench.url)
        assert endpoint.since is not None
        assert bench.platform.describe(Stage.PROD).status is EndpointStatus.NOT_DEPLOYED

        images = np.concatenate([canary_images()] * 7)[:64]
        answer = bench.platform.predict(STAGE, images)
        assert answer.version == 3
        assert 0 < answer.latency_ms < 2000
        assert np.argmax(answer.probabilities, axis=1).tolist() == (list(range(10)) * 7)[:64]
        assert np.allclose(np.sum(answer.probabilities, axis=1), 1, atol=1e-3)

        for wrong in (images * 255, images[..., 0], images.astype(np.float64), np.concatenate([images, images])):
            with pytest.raises(InvalidInputError):
                bench.platform.predict(STAGE, wrong)

        bench.platform.delete(STAGE)
        bench.platform.delete(STAGE)
        assert bench.platform.describe(STAGE).status is EndpointStatus.NOT_DEPLOYED
        with pytest.raises(EndpointUnavailableError):
            bench.platform.predict(STAGE, canary_images())

    def test_repeating_a_deployment_changes_nothing_and_the_next_one_switches(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        first = deploy(bench, tmp_path, 1, sharpness=0.02)
        before = bench.platform.describe(STAGE)
        soft = bench.platform.predict(STAGE, canary_images())
        bench.platform.deploy(STAGE, first, tmp_path / "archive-1.tar.gz", ignore)
        assert bench.platform.describe(STAGE) == before

        deploy(bench, tmp_path, 2, sharpness=1.0)
        sharp = bench.platform.predict(STAGE, canary_images())
        assert (soft.version, sharp.version) == (1, 2)
        assert np.max(sharp.probabilities) > np.max(soft.probabilities) + 0.1

        back = bench.platform.deploy(STAGE, first, tmp_path / "archive-1.tar.gz", ignore)
        assert back.served == first
        assert bench.platform.predict(STAGE, canary_images()).probabilities == pytest.approx(
            np.array(soft.probabilities), abs=1e-5
        )

    def test_a_stage_counts_and_times_what_it_answers(self, bench: Bench, tmp_path: Path) -> None:
        deploy(bench, tmp_path, 4)
        before = bench.platform.measure(STAGE)
        for _ in range(5):
            bench.platform.predict(STAGE, canary_images())
        # A server may publish its counts a moment late; its supervisor may ask it meanwhile.
        bench.wait_until(lambda: bench.platform.measure(STAGE).requests >= before.requests + 5)
        after = bench.platform.measure(STAGE)
        assert (before.version, after.version) == (4, 4)
        assert after.at > before.at
        assert after.failed == 0
        assert {name for name in ("mean_batch", "queue_ms") if getattr(after, name) is None} == bench.unmeasured
        assert after.mean_batch is None or 1 <= after.mean_batch <= 64
        quantiles = (after.p50_ms, after.p95_ms, after.p99_ms)
        assert None not in quantiles and 0 < after.p50_ms <= after.p95_ms <= after.p99_ms < 2000
        assert after.compute_ms is not None and 0 < after.compute_ms < 2000
        assert after.queue_ms is None or after.queue_ms >= 0
        bench.wait_until(
            lambda: bench.platform.measure(STAGE).cpu is not None
        )  # of the machine, looked at now and then
        machine = bench.platform.measure(STAGE)
        assert machine.cpu is not None and 0 <= machine.cpu <= 1
        assert machine.memory_used is not None and machine.memory_total is not None
        assert 0 < machine.memory_used < machine.memory_total

    def test_a_suspended_stage_is_down_until_it_is_resumed_or_deployed_to(self, bench: Bench, tmp_path: Path) -> None:
        target = deploy(bench, tmp_path)
        if Feature.SUSPEND in bench.platform.unsupported:
            with pytest.raises(RefusedError) as refused:
                bench.platform.suspend(STAGE)
            assert refused.value.hint == bench.platform.unsupported[Feature.SUSPEND]
            bench.platform.resume(STAGE)
            assert bench.platform.predict(STAGE, canary_images()).version == target.version
            return
        bench.platform.suspend(STAGE)
        endpoint = bench.platform.describe(STAGE)
        assert endpoint.status is EndpointStatus.FAILED
        assert endpoint.wanted == target
        assert endpoint.detail
        with pytest.raises(EndpointUnavailableError):
            bench.platform.predict(STAGE, canary_images())
        with pytest.raises(EndpointUnavailableError):
            bench.platform.measure(STAGE)
        bench.platform.resume(STAGE)
        bench.wait_until(lambda: bench.platform.describe(STAGE).status is EndpointStatus.IN_SERVICE)
        assert bench.platform.predict(STAGE, canary_images()).version == 1
        bench.platform.suspend(STAGE)
        deploy(bench, tmp_path, 2, sharpness=2.0)
        assert bench.platform.predict(STAGE, canary_images()).version == 2


def _truncated(path: Path) -> str:
    archives.good_archive(path)
    path.write_bytes(path.read_bytes()[:-2000])
    return archives.digest_of(path)


def _not_the_digest(path: Path) -> str:
    archives.good_archive(path)
    return hashlib.sha256(b"something else").hexdigest()


def _holding(onnx: bytes) -> Callable[[Path], str]:
    return lambda path: archives.digest_of(archives.write_archive(path, onnx=onnx))


def _with(extra: Callable[[tarfile.TarFile], None]) -> Callable[[Path], str]:
    return lambda path: archives.digest_of(archives.write_archive(path, onnx=archives.template_model(), extra=extra))


WRONG: dict[str, Callable[[Path], str]] = {
    "another digest": _not_the_digest,
    "truncated": _truncated,
    "no archive at all": lambda path: hashlib.sha256(path.write_bytes(b"hello") and b"hello").hexdigest(),
    "garbage for a model": _holding(b"\x08\x07garbage" * 100),
    "an extra member": _with(lambda tar: archives.add_file(tar, "mnist/1/notes.txt", b"hello")),
    "a path out of the folder": _with(lambda tar: archives.add_file(tar, "../../escaped", b"hello")),
    "a link": _with(lambda tar: archives.add_link(tar, "mnist/1/link", "/etc/passwd")),
    "other tensor names": _holding(archives.renamed_model()),
    "not a number": _holding(archives.not_a_number_model()),
    "rows that do not sum to 1": _holding(archives.unnormalised_model()),
    "the same digit always": _holding(archives.constant_model(3)),
}


class TestRefusing:
    def test_what_is_not_a_working_model_never_replaces_one(self, bench: Bench, tmp_path: Path) -> None:
        target = deploy(bench, tmp_path)
        before = bench.platform.describe(STAGE)
        for number, (what, write) in enumerate(WRONG.items(), start=2):
            path = tmp_path / "wrong.tar.gz"
            wrong = ServedModel(version=number, sha256=write(path))
            reports: list[tuple[str, StepStatus]] = []
            with pytest.raises((ArchiveRejectedError, DeploymentFailedError)) as caught:
                bench.platform.deploy(STAGE, wrong, path, lambda step, status, _: reports.append((step, status)))  # noqa: B023
            assert len(caught.value.message) > 20, what
            assert reports[-1][1] is StepStatus.FAILED, what
            assert "switch" not in [step for step, _ in reports], what
            assert bench.platform.predict(STAGE, canary_images()).version == target.version, what
        assert bench.platform.describe(STAGE) == before

    def test_a_first_deployment_that_fails_leaves_nothing(self, bench: Bench, tmp_path: Path) -> None:
        path = archives.write_archive(tmp_path / "wrong.tar.gz", onnx=archives.constant_model(7))
        wrong = served_from(1, path)
        with pytest.raises(DeploymentFailedError, match="1 of 10"):
            bench.platform.deploy(STAGE, wrong, path, ignore)
        assert bench.platform.describe(STAGE).status is EndpointStatus.NOT_DEPLOYED
        with pytest.raises(EndpointUnavailableError):
            bench.platform.predict(STAGE, canary_images())

    def test_a_version_never_changes_its_bytes(self, bench: Bench, tmp_path: Path) -> None:
        target = deploy(bench, tmp_path)
        path = archives.good_archive(tmp_path / "other.tar.gz", sharpness=2.0)
        other = served_from(target.version, path)
        with pytest.raises(ArchiveRejectedError):
            bench.platform.deploy(STAGE, other, path, ignore)
        assert bench.platform.describe(STAGE).served == target


class TestHolding:
    def test_a_stage_is_held_by_one_at_a_time_who_is_named(self, bench: Bench) -> None:
        with bench.platform.hold(STAGE, "ada, deployment 7"):
            with pytest.raises(StageBusyError, match="ada, deployment 7"), bench.platform.hold(STAGE, "bob"):
                pass
            with bench.platform.hold(Stage.PROD, "bob"):
                pass
        with bench.platform.hold(STAGE, "bob"):
            pass

    def test_a_holder_that_dies_lets_go(self, bench: Bench) -> None:
        with bench.hold_elsewhere(STAGE, "grace") as process:
            with pytest.raises(StageBusyError, match="grace"), bench.platform.hold(STAGE, "bob"):
                pass
            process.kill()
            process.wait()
            bench.hold_when_let_go(STAGE, "bob")
