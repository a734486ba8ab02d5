"""As `aws_hazards`, for registry and endpoints: without our handling of each hazard, its test fails.

`python -m tests.campaign.aws_serving_hazards [WORDS...]`
"""

from __future__ import annotations

import sys
from typing import Final

from tests.campaign.aws_hazards import Hazard, is_noticed

ENDPOINTS: Final = "tests/integration/sagemaker/test_endpoint_hazards.py"
REGISTRY: Final = "tests/integration/sagemaker/test_registry_hazards.py"

HAZARDS: Final = (
    Hazard(
        what="second page: only the first page of versions is read",
        file="registry.py",
        handling='                    yield from page["ModelPackageSummaryList"]\n',
        without='                    yield from page["ModelPackageSummaryList"]\n                    return\n',
        tests=f"{REGISTRY}::test_versions_on_the_second_page_are_listed_and_known",
    ),
    Hazard(
        what="second page: only the first page of configs is collected",
        file="hosting.py",
        handling="                        yield entry[name]\n",
        without="                        yield entry[name]\n                return\n",
        tests=f"{ENDPOINTS}::TestConfigs::test_the_previous_config_is_kept_and_older_ones_are_collected_from_every_page",
    ),
    Hazard(
        what="second page: only the first page of quotas is read",
        file="endpoint_limits.py",
        handling='                    return int(quota["Value"])\n',
        without='                    return int(quota["Value"])\n            return None\n',
        tests=f"{ENDPOINTS}::TestLimits::test_a_quota_that_cannot_hold_both_fleets_is_named_before_anything_is_made",
    ),
    Hazard(
        what="throttling: calls that read are not tried again",
        file="session.py",
        handling='"retries": {"mode": "standard", "total_max_attempts": 3}',
        without='"retries": {"mode": "standard", "total_max_attempts": 1}',
        tests=f"{ENDPOINTS}::TestThrottling::test_a_deployment_outlasts_being_throttled_at_every_call",
    ),
    Hazard(
        what="throttling: calls that write are not tried again",
        file="session.py",
        handling='"retries": {"mode": "standard", "total_max_attempts": 8}',
        without='"retries": {"mode": "standard", "total_max_attempts": 1}',
        tests=f"{ENDPOINTS}::TestThrottling::test_a_deployment_outlasts_being_throttled_at_every_call",
    ),
    Hazard(
        what="throttling: a throttled look ends the deployment",
        file="hosted.py",
        handling='                status = f"{status} ({error.message})"[:200]\n',
        without="                raise\n",
        tests=f"{ENDPOINTS}::TestThrottling::test_looks_that_are_throttled_for_long_do_not_end_a_deployment",
    ),
    Hazard(
        what="duplicate: nobody looks whether the version is registered",
        file="registry.py",
        handling="        if known is not None:\n            return self.get(known)\n",
        without="",
        tests=f"{REGISTRY}::test_versions_on_the_second_page_are_listed_and_known",
    ),
    Hazard(
        what="duplicate: two that register at once, without a token",
        file="registry_requests.py",
        handling='        "ClientToken": hashlib',
        without='        "ClientToken": f"{id(facts)}" or hashlib',
        tests=f"{REGISTRY}::test_the_same_archive_registered_by_two_at_once_is_one_version",
    ),
    Hazard(
        what="duplicate: a name that is taken is served unseen",
        file="hosting.py",
        handling="        if not same_content(request, found):\n",
        without="        if False:\n",
        tests=f"{ENDPOINTS}::TestPeople::test_a_config_that_somebody_made_under_our_name_is_refused",
    ),
    Hazard(
        what="silent rollback: InService is taken for success",
        file="endpoint_deployment.py",
        handling="    if look.status == IN_SERVICE and look.config == config:\n        return",
        without="    if look.status == IN_SERVICE:\n        return",
        tests=f"{ENDPOINTS}::TestSilentRollback::test_an_update_that_went_back_is_told_with_its_reason",
    ),
    Hazard(
        what="stale plan: what is served is not read from the endpoint's own config",
        file="endpoints.py",
        handling="        served = config.model if config else None\n",
        without="        served = wanted.model\n",
        tests=f"{ENDPOINTS}::TestPeople::test_an_endpoint_that_this_product_did_not_make_is_told_so",
    ),
    Hazard(
        what="stale plan: an AWS that cannot be asked is taken for an empty stage",
        file="hosted.py",
        handling="        except NotFoundError:\n            return None\n        return _look(told)",
        without="        except (NotFoundError, PlatformError):\n            return None\n        return _look(told)",
        tests=f"{ENDPOINTS}::TestThrottling::test_a_plan_is_not_made_of_a_guess",
    ),
    Hazard(
        what="two at once: the lock is written without a condition",
        file="objects.py",
        handling='return self._put(key, document, {"IfNoneMatch": "*"})',
        without="return self._put(key, document, {})",
        tests="tests/unit/sagemaker/test_objects.py::test_one_of_many_writers_creates_a_document",
    ),
    Hazard(
        what="two at once: who holds the stage is not looked at",
        file="stage_lock.py",
        handling="                _require_free(stage, known, stored.age_s)\n",
        without="",
        tests=f"{ENDPOINTS}::TestTwoAtOnce::test_of_two_machines_that_promote_at_once_one_is_refused",
    ),
    Hazard(
        what="two at once: a lease is not renewed",
        file="stage_lock.py",
        handling="        renewing.start()\n",
        without="        held.ended.set()\n        renewing.start()\n",
        tests=f"{ENDPOINTS}::TestTwoAtOnce::test_a_lease_is_renewed_as_long_as_its_holder_lives",
    ),
    Hazard(
        what="two at once: who lost the stage goes on",
        file="stage_lock.py",
        handling="        if held.lost or quiet > self._lease_s:\n",
        without="        if False:\n",
        tests=f"{ENDPOINTS}::TestTwoAtOnce::test_who_lost_the_stage_changes_nothing_any_more",
    ),
    Hazard(
        what="dead holder: a lease never runs out",
        file="stage_lock.py",
        handling="    if left < 0:\n",
        without="    if False:\n",
        tests="tests/contract/test_serving_contract.py::TestHolding::test_a_holder_that_dies_lets_go[sagemaker]",
    ),
    Hazard(
        what="expired token: what SageMaker ended alone is not found again",
        file="served.py",
        handling="        if self.pending is None or look is None or look.config != self.pending.config:\n",
        without="        if True:\n",
        tests=f"{ENDPOINTS}::TestCredentials::test_a_token_that_expires_in_the_middle_leaves_what_can_be_finished",
    ),
    Hazard(
        what="deleted by hand: create or update is not decided by looking",
        file="endpoint_deployment.py",
        handling="    if before is not None and before.status == IN_SERVICE:\n        if before.config",
        without="    if tools.wanted.read().model is not None:\n        if before and before.config",
        tests=f"{ENDPOINTS}::TestPeople::test_promoting_over_an_endpoint_deleted_by_hand_creates_it",
    ),
    Hazard(
        what="overwritten archive: the digest is not asked for",
        file="artifacts.py",
        handling='        if head.get("ChecksumSHA256") != _as_checksum(sha256):\n',
        without="        if False:\n",
        tests=f"{ENDPOINTS}::TestConfigs::test_what_is_under_the_archives_key_is_what_its_name_says",
    ),
    Hazard(
        what="a bad model that starts: the endpoint itself is not asked",
        file="endpoint_deployment.py",
        handling="    read = require_canaries(tools.ask(canary_images()), who=f\"'{tools.hosted.name}'\")\n",
        without='    read = "not asked"\n',
        tests=f"{ENDPOINTS}::test_the_model_that_fails_on_the_endpoint_alone_is_taken_back",
    ),
)


def main() -> int:
    chosen = [hazard for hazard in HAZARDS if not sys.argv[1:] or any(word in hazard.what for word in sys.argv[1:])]
    survived = 0
    for hazard in chosen:
        noticed = is_noticed(hazard)
        survived += not noticed
        print(f"{'noticed' if noticed else 'NOT NOTICED':<12} {hazard.what}", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} handlings are held by a test")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
