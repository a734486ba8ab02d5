"""Proof that the tests of the hazards on AWS notice: each handling is taken out of a copy, and its test must fail.

`python -m tests.campaign.aws_mutations` prints a line per hazard; exit code 1 when a test passes without the handling.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = "backend/adapters/sagemaker"
ENDPOINTS: Final = "tests/integration/sagemaker/test_endpoint_hazards.py"
REGISTRY: Final = "tests/integration/sagemaker/test_registry_hazards.py"


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """What is taken out of which file, and the test that must fail then."""

    hazard: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS: Final = (
    Mutation(
        hazard="second page: only the first page of versions is read",
        file=f"{HERE}/registry.py",
        old='                    yield from page["ModelPackageSummaryList"]\n',
        new='                    yield from page["ModelPackageSummaryList"]\n                    return\n',
        test=f"{REGISTRY}::test_versions_on_the_second_page_are_listed_and_known",
    ),
    Mutation(
        hazard="second page: only the first page of configs is collected",
        file=f"{HERE}/hosting.py",
        old="                        yield entry[name]\n",
        new="                        yield entry[name]\n                return\n",
        test=f"{ENDPOINTS}::TestConfigs::test_the_previous_config_is_kept_and_older_ones_are_collected_from_every_page",
    ),
    Mutation(
        hazard="second page: only the first page of quotas is read",
        file=f"{HERE}/endpoint_limits.py",
        old='                    return int(quota["Value"])\n',
        new='                    return int(quota["Value"])\n            return None\n',
        test=f"{ENDPOINTS}::TestLimits::test_a_quota_that_cannot_hold_both_fleets_is_named_before_anything_is_made",
    ),
    Mutation(
        hazard="throttling: calls that read are not tried again",
        file=f"{HERE}/session.py",
        old='"retries": {"mode": "standard", "total_max_attempts": 3}',
        new='"retries": {"mode": "standard", "total_max_attempts": 1}',
        test=f"{ENDPOINTS}::TestThrottling::test_a_deployment_outlasts_being_throttled_at_every_call",
    ),
    Mutation(
        hazard="throttling: calls that write are not tried again",
        file=f"{HERE}/session.py",
        old='"retries": {"mode": "standard", "total_max_attempts": 8}',
        new='"retries": {"mode": "standard", "total_max_attempts": 1}',
        test=f"{ENDPOINTS}::TestThrottling::test_a_deployment_outlasts_being_throttled_at_every_call",
    ),
    Mutation(
        hazard="throttling: a throttled look ends the deployment",
        file=f"{HERE}/hosted.py",
        old='                status = f"{status} ({error.message})"[:200]\n',
        new="                raise\n",
        test=f"{ENDPOINTS}::TestThrottling::test_looks_that_are_throttled_for_long_do_not_end_a_deployment",
    ),
    Mutation(
        hazard="duplicate: nobody looks whether the version is registered",
        file=f"{HERE}/registry.py",
        old="        if known is not None:\n            return self.get(known)\n",
        new="",
        test=f"{REGISTRY}::test_versions_on_the_second_page_are_listed_and_known",
    ),
    Mutation(
        hazard="duplicate: two that register at once, without a token",
        file=f"{HERE}/registry_requests.py",
        old='        "ClientToken": hashlib',
        new='        "ClientToken": f"{id(facts)}" or hashlib',
        test=f"{REGISTRY}::test_the_same_archive_registered_by_two_at_once_is_one_version",
    ),
    Mutation(
        hazard="duplicate: a name that is taken is served unseen",
        file=f"{HERE}/hosting.py",
        old="        if not same_content(request, found):\n",
        new="        if False:\n",
        test=f"{ENDPOINTS}::TestPeople::test_a_config_that_somebody_made_under_our_name_is_refused",
    ),
    Mutation(
        hazard="silent rollback: InService is taken for success",
        file=f"{HERE}/endpoint_deployment.py",
        old="    if look.status == IN_SERVICE and look.config == config:\n        return",
        new="    if look.status == IN_SERVICE:\n        return",
        test=f"{ENDPOINTS}::TestSilentRollback::test_an_update_that_went_back_is_told_with_its_reason",
    ),
    Mutation(
        hazard="stale plan: what is served is not read from the endpoint's own config",
        file=f"{HERE}/endpoints.py",
        old="        served = config.model if config else None\n",
        new="        served = wanted.model\n",
        test=f"{ENDPOINTS}::TestPeople::test_an_endpoint_that_this_product_did_not_make_is_told_so",
    ),
    Mutation(
        hazard="stale plan: an AWS that cannot be asked is taken for an empty stage",
        file=f"{HERE}/hosted.py",
        old="        except NotFoundError:\n            return None\n        return _look(told)",
        new="        except (NotFoundError, PlatformError):\n            return None\n        return _look(told)",
        test=f"{ENDPOINTS}::TestThrottling::test_a_plan_is_not_made_of_a_guess",
    ),
    Mutation(
        hazard="two at once: the lock is written without a condition",
        file=f"{HERE}/objects.py",
        old='return self._put(key, document, {"IfNoneMatch": "*"})',
        new="return self._put(key, document, {})",
        test="tests/unit/sagemaker/test_objects.py::test_one_of_many_writers_creates_a_document",
    ),
    Mutation(
        hazard="two at once: who holds the stage is not looked at",
        file=f"{HERE}/stage_lock.py",
        old="                _require_free(stage, known, stored.age_s)\n",
        new="",
        test=f"{ENDPOINTS}::TestTwoAtOnce::test_of_two_machines_that_promote_at_once_one_is_refused",
    ),
    Mutation(
        hazard="two at once: a lease is not renewed",
        file=f"{HERE}/stage_lock.py",
        old="        renewing.start()\n",
        new="        held.ended.set()\n        renewing.start()\n",
        test=f"{ENDPOINTS}::TestTwoAtOnce::test_a_lease_is_renewed_as_long_as_its_holder_lives",
    ),
    Mutation(
        hazard="two at once: who lost the stage goes on",
        file=f"{HERE}/stage_lock.py",
        old="        if held.lost or quiet > self._lease_s:\n",
        new="        if False:\n",
        test=f"{ENDPOINTS}::TestTwoAtOnce::test_who_lost_the_stage_changes_nothing_any_more",
    ),
    Mutation(
        hazard="dead holder: a lease never runs out",
        file=f"{HERE}/stage_lock.py",
        old="    if left < 0:\n",
        new="    if False:\n",
        test="tests/contract/test_serving_contract.py::TestHolding::test_a_holder_that_dies_lets_go[sagemaker]",
    ),
    Mutation(
        hazard="expired token: what SageMaker ended alone is not found again",
        file=f"{HERE}/served.py",
        old="        if self.pending is None or look is None or look.config != self.pending.config:\n",
        new="        if True:\n",
        test=f"{ENDPOINTS}::TestCredentials::test_a_token_that_expires_in_the_middle_leaves_what_can_be_finished",
    ),
    Mutation(
        hazard="deleted by hand: create or update is not decided by looking",
        file=f"{HERE}/endpoint_deployment.py",
        old="    if before is not None and before.status == IN_SERVICE:\n        if before.config",
        new="    if tools.wanted.read().model is not None:\n        if before and before.config",
        test=f"{ENDPOINTS}::TestPeople::test_promoting_over_an_endpoint_deleted_by_hand_creates_it",
    ),
    Mutation(
        hazard="overwritten archive: the digest is not asked for",
        file=f"{HERE}/artifacts.py",
        old='        if head.get("ChecksumSHA256") != _as_checksum(sha256):\n',
        new="        if False:\n",
        test=f"{ENDPOINTS}::TestConfigs::test_what_is_under_the_archives_key_is_what_its_name_says",
    ),
    Mutation(
        hazard="a bad model that starts: the endpoint itself is not asked",
        file=f"{HERE}/endpoint_deployment.py",
        old="    read = require_canaries(tools.ask(canary_images()), who=f\"'{tools.hosted.name}'\")\n",
        new='    read = "not asked"\n',
        test=f"{ENDPOINTS}::test_the_model_that_fails_on_the_endpoint_alone_is_taken_back",
    ),
)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        ignored = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", "images")
        shutil.copytree(ROOT, copy, ignore=ignored)
        unnoticed = [mutation.hazard for mutation in MUTATIONS if not _is_noticed(mutation, copy)]
    print(f"{len(MUTATIONS) - len(unnoticed)} of {len(MUTATIONS)} handlings are held by a test", flush=True)
    return 1 if unnoticed else 0


def _is_noticed(mutation: Mutation, copy: Path) -> bool:
    path = copy / mutation.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutation.old) < 1:
        print(f"STALE      {mutation.hazard}: '{mutation.file}' has changed", flush=True)
        return False
    try:
        path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutation.test]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    finally:
        path.write_text(text, encoding="utf-8")
    noticed = done.returncode == 1 and " failed" in done.stdout
    last = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("E  ")), "").strip()
    print(f"{'noticed' if noticed else 'UNNOTICED':<10} {mutation.hazard} {last[:100] if noticed else ''}", flush=True)
    return noticed


if __name__ == "__main__":
    sys.exit(main())
