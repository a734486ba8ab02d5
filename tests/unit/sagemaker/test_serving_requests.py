from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from backend.adapters.sagemaker.endpoint_limits import instances_needed
from backend.adapters.sagemaker.endpoint_metrics import memory_of, total_queries
from backend.adapters.sagemaker.hosted import Look
from backend.adapters.sagemaker.images import TRITON_VERSION, triton_image
from backend.adapters.sagemaker.invocation import BINARY, decode, encode
from backend.adapters.sagemaker.names import content_name, endpoint_name, parse_content_name, sha256_of_key
from backend.adapters.sagemaker.registry_requests import Described, description, parse_description
from backend.adapters.sagemaker.serving_requests import (
    Hosting,
    Shift,
    config_request,
    deployment_config,
    model_request,
    same_content,
)
from backend.domain.serving import ServedModel, Stage
from backend.errors import DeploymentFailedError, InvalidInputError
from tests.fakes.aws import model

TARGET = ServedModel(version=12, sha256="ab" * 32)
NAME = Stage.STAGING.endpoint_name


def hosting(**given: object) -> Hosting:
    made = {"image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-tritonserver:26.05-py3-cpu"}
    return Hosting(**{**made, "role": "arn:aws:iam::123456789012:role/digits-execution", **given})  # type: ignore[arg-type]


def requests_for(setup: Hosting, target: ServedModel = TARGET) -> tuple[dict[str, object], dict[str, object]]:
    made = model_request(NAME, target, f"s3://b/digits/models/sha256-{target.sha256}/model.tar.gz", setup)
    return made, config_request(NAME, target, made["ModelName"], setup)


class TestNames:
    def test_the_same_content_has_the_same_name_and_any_other_another(self) -> None:
        names = {
            str(requests_for(setup, target))
            for setup in (hosting(), hosting(instance_type="ml.c5.large"), hosting(instances=2))
            for target in (TARGET, ServedModel(version=13, sha256=TARGET.sha256))
        }
        assert len(names) == 6
        assert requests_for(hosting()) == requests_for(hosting())
        assert requests_for(hosting())[0]["ModelName"] != requests_for(hosting(image="other"))[0]["ModelName"]

    def test_names_fit_and_are_read_back_for_their_own_endpoint_only(self) -> None:
        name = content_name(NAME, 12, {"a": 1})
        parsed = parse_content_name(name, NAME)
        assert len(name) <= 63
        assert parsed is not None and (parsed.version, str(parsed)) == (12, name)
        assert parse_content_name(name, Stage.PROD.endpoint_name) is None
        assert parse_content_name(f"{NAME}-x-v12-{'0' * 12}", NAME) is None

    def test_a_suffix_that_leaves_no_room_for_a_configs_name_is_refused(self) -> None:
        assert endpoint_name(Stage.PROD, "pr12-1a2b3c4") == "digit-classification-pr12-1a2b3c4-prod"
        assert len(content_name(endpoint_name(Stage.STAGING, "a" * 13), 9999, {})) <= 63
        for wrong in ("a" * 30, "under_score", "-a", "dot.ted"):
            with pytest.raises(InvalidInputError, match="suffix"):
                endpoint_name(Stage.STAGING, wrong)

    def test_only_a_write_once_key_names_a_digest(self) -> None:
        assert sha256_of_key(f"s3://b/digits/models/sha256-{'a' * 64}/model.tar.gz") == "a" * 64
        for other in ("s3://b/model.tar.gz", f"sha256-{'a' * 63}/model.tar.gz", f"sha256-{'a' * 64}/other.tar.gz"):
            assert sha256_of_key(other) is None

    def test_descriptions_are_read_back(self) -> None:
        for job in ("fast-1", ""):
            described = Described(sha256="a" * 64, source_job=job, facts="b" * 64)
            assert parse_description(description(described)) == described
        assert parse_description("made by hand") is None


class TestRequests:
    @pytest.mark.parametrize("shift", list(Shift))
    @pytest.mark.parametrize("alarms", [(), ("errors", "latency")])
    def test_they_are_what_the_service_model_takes(self, shift: Shift, alarms: tuple[str, ...]) -> None:
        setup = hosting(shift=shift, instances=4, kms_key="alias/a", subnets=("subnet-1",), security_groups=("sg-1",))
        made, config = requests_for(setup)
        update = {
            "EndpointName": NAME,
            "EndpointConfigName": config["EndpointConfigName"],
            "DeploymentConfig": deployment_config(setup, alarms),
        }
        for operation, request in (("CreateModel", made), ("CreateEndpointConfig", config), ("UpdateEndpoint", update)):
            shape = model.operation("sagemaker", operation).input_shape
            assert list(model.faults(shape, request)) == []

    def test_a_deployment_has_time_for_its_waits(self) -> None:
        setup = hosting(shift=Shift.LINEAR, instances=10, step_percent=10, wait_s=600, terminate_after_s=300)
        policy = deployment_config(setup, ("errors",))["BlueGreenUpdatePolicy"]
        assert policy["TrafficRoutingConfiguration"]["LinearStepSize"] == {"Type": "INSTANCE_COUNT", "Value": 1}
        assert policy["MaximumExecutionTimeoutInSeconds"] > 10 * 600 + 300

    def test_without_alarms_nothing_is_waited_for_and_nothing_watched(self) -> None:
        config = deployment_config(hosting(), ())
        assert "AutoRollbackConfiguration" not in config
        assert config["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] == 0

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"instance_type": "m5.large"}, "instance type"),
            ({"instances": 0}, "0 instances"),
            ({"wait_s": 3601}, "wait is 3601 s"),
            ({"subnets": ("subnet-1",)}, "VPC is half named"),
            ({"shift": Shift.CANARY}, "cannot be shifted in parts"),
            ({"shift": Shift.CANARY, "instances": 4, "step_percent": 60}, "60 % of the fleet"),
            ({"shift": Shift.LINEAR, "instances": 4, "step_percent": 5}, "5 % of the fleet"),
            ({"shift": Shift.LINEAR, "instances": 40, "wait_s": 3600}, "the shift would take"),
        ],
    )
    def test_what_sagemaker_would_refuse_is_refused_before(self, given: dict[str, object], said: str) -> None:
        with pytest.raises(InvalidInputError, match=said):
            hosting(**given)

    def test_content_is_compared_by_what_was_asked_for(self) -> None:
        asked = {"A": {"B": [1, {"C": "x"}]}, "D": 1.0}
        told = {"A": {"B": [1, {"C": "x", "Default": True}], "More": {}}, "D": 1, "CreationTime": 7}
        assert same_content(asked, told)
        for other in ({**told, "D": 2}, {"A": {"B": [1]}, "D": 1}, {"D": 1}):
            assert not same_content(asked, other)

    def test_an_update_needs_room_for_both_fleets(self) -> None:
        now = datetime.now(UTC)
        look = Look(status="InService", config="c", changed=now, instances=3, desired=3)
        assert instances_needed(hosting(instances=2), None) == 2
        assert instances_needed(hosting(instances=2), look) == 6


def test_the_images_are_those_of_the_sdk() -> None:
    spec = importlib.util.find_spec("sagemaker")
    assert spec is not None and spec.submodule_search_locations
    tables = [Path(p) / "core/image_uri_config/sagemaker-tritonserver.json" for p in spec.submodule_search_locations]
    table = json.loads(next(path for path in tables if path.is_file()).read_text())["versions"][TRITON_VERSION]
    for region, account in table["registries"].items():
        expected = f"{account}.dkr.ecr.{region}.amazonaws.com/{table['repository']}:{table['tag_prefix']}"
        assert triton_image(region, "ml.g5.xlarge") == expected
        assert triton_image(region, "ml.m5.large") == f"{expected}-cpu"
    with pytest.raises(InvalidInputError, match="cn-north-1"):
        triton_image("cn-north-1", "ml.m5.large")


class TestInvocation:
    images = np.linspace(0, 1, 2 * 784, dtype=np.float32).reshape(2, 28, 28, 1)

    def test_a_request_is_a_json_header_and_the_numbers(self) -> None:
        content_type, body = encode(self.images)
        length = int(content_type.removeprefix(BINARY))
        header = json.loads(body[:length])
        assert header["inputs"][0]["shape"] == [2, 28, 28, 1]
        assert header["inputs"][0]["parameters"]["binary_data_size"] == len(body) - length == self.images.nbytes
        assert (np.frombuffer(body[length:], "<f4") == self.images.ravel()).all()

    def test_an_answer_is_read_in_both_forms(self) -> None:
        rows = np.full((2, 10), 0.1, np.float32)
        output = {"name": "output_1", "datatype": "FP32", "shape": [2, 10]}
        plain = json.dumps({"outputs": [{**output, "data": rows.ravel().tolist()}]}).encode()
        head = json.dumps({"outputs": [{**output, "parameters": {"binary_data_size": rows.nbytes}}]}).encode()
        assert np.allclose(decode("application/json", plain, who="x"), rows)
        assert (decode(f"{BINARY}{len(head)}", head + rows.tobytes(), who="x") == rows).all()
        for content_type, body in (
            ("application/json", b"{"),
            ("application/json", b'{"outputs": []}'),
            (f"{BINARY}{len(head)}", head + rows.tobytes()[:-4]),
            (f"{BINARY}99999", head),
        ):
            with pytest.raises(DeploymentFailedError, match="'e' answers what cannot be read"):
                decode(content_type, body, who="'e'")


def test_periods_grow_with_the_age_and_memory_is_known_of_common_types_only() -> None:
    young, old = (total_queries(NAME, timedelta(days=days))[0]["MetricStat"]["Period"] for days in (0, 2))
    assert (young, old) == (60, 3600)
    sizes = {kind: memory_of(kind) for kind in ("ml.m5.large", "ml.c6i.xlarge", "ml.r5.large", "ml.inf1.xlarge", "m5")}
    assert {kind: size and size / 2**30 for kind, size in sizes.items()} == {
        "ml.m5.large": 8,
        "ml.c6i.xlarge": 8,
        "ml.r5.large": 16,
        "ml.inf1.xlarge": None,
        "m5": None,
    }
