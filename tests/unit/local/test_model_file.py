"""The model configuration's file: the one that is shipped, its schema, what is said of a wrong one, and its changes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import jsonschema
import pytest
import yaml

from backend.adapters.local.git_file import text_at
from backend.adapters.local.model_file import parse_model_config, with_values
from backend.domain.model_config import changed, json_schema
from backend.errors import InvalidInputError
from backend.settings import ROOT
from tests.integration.delivery.workflows import Repository

SHIPPED = (ROOT / "models" / "digit_classification.yaml").read_text()
GOOD = """\
endpoint_name: digit-classification
model_uri: model-version:3  # the best of March
triton_image_uri: default
instance_type: ml.m5.large
instance_count: 2
sagemaker_triton_default_model_name: mnist
"""
SHA = "ab" * 32
WRONG = [
    (GOOD.replace("instance_count", "instance_cuont"), 5, "unknown key 'instance_cuont'"),
    (GOOD.replace("instance_count: 2\n", ""), 1, "'instance_count' is missing"),
    (GOOD.replace("count: 2", "count: '2'"), 5, "'instance_count' is '2', expected a whole number from 1 to 100"),
    (GOOD.replace("count: 2", "count: 0"), 5, "'instance_count' is '0'"),
    (GOOD.replace("count: 2", "count: 2.5"), 5, "'instance_count' is '2.5'"),
    (GOOD.replace("ml.m5.large", "m5.large"), 4, "'instance_type' is 'm5.large'"),
    (GOOD.replace("model-version:3", "model-version:0"), 2, "'model_uri' is 'model-version:0'"),
    (GOOD.replace("model-version:3", "https://elsewhere/model.tar.gz"), 2, "'model_uri' is"),
    (GOOD.replace("model-version:3", "s3://bucket/model.tar.gz"), 2, "'sha256' must say which bytes are meant"),
    (GOOD.replace(": digit-", ": digits-"), 1, "'endpoint_name' is"),
    (GOOD + "sha256: abc\n", 7, "'sha256' is 'abc', expected 64 hexadecimal digits"),
    (GOOD + "description: [a]\n", 7, "'description' is no single value"),
    (GOOD + "staging_ttl_hours: 721\n", 7, "'staging_ttl_hours' is '721'"),
]


@pytest.mark.parametrize(("text", "line", "said"), WRONG)
def test_what_is_wrong_is_named_with_its_line_and_refused_by_the_schema(text: str, line: int, said: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_model_config(text, "m.yaml")
    assert refused.value.message.startswith(f"'m.yaml', line {line}: ")
    assert said in refused.value.message
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), json_schema())


@pytest.mark.parametrize(
    "text",
    [
        SHIPPED,
        GOOD,
        GOOD.replace("model-version:3", "s3://bucket/a/b/model.tar.gz") + f"sha256: {SHA}\n",
        GOOD.replace("model-version:3", "../made/model.tar.gz"),
        GOOD.replace(
            "default\n", "763104351884.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-tritonserver:26.05-py3-cpu\n"
        ),
    ],
)
def test_what_is_right_is_right_for_both(text: str) -> None:
    values = yaml.safe_load(text)
    assert {**asdict(parse_model_config(text, "m.yaml")), **values} == asdict(parse_model_config(text, "m.yaml"))
    jsonschema.validate(values, json_schema())


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="line 7: 'instance_count' is there twice"):
        parse_model_config(GOOD + "instance_count: 2\n", "m.yaml")


def test_the_published_schema_is_the_loaders() -> None:
    published = json.loads((ROOT / "models" / "digit_classification.schema.json").read_text())
    assert published == json_schema()


def test_only_values_that_matter_are_a_change() -> None:
    before = parse_model_config(GOOD, "m.yaml")
    words = parse_model_config("# other\n" + GOOD + "description: new\nstaging_ttl_hours: 9\n", "m.yaml")
    assert changed(before, words) == ()
    now = parse_model_config(GOOD.replace(":3", ":4").replace("count: 2", "count: 3"), "m.yaml")
    assert [(one.what, one.served, one.wanted) for one in changed(before, now)] == [
        ("model_uri", "model-version:3", "model-version:4"),
        ("instance_count", "2", "3"),
    ]


def test_other_values_leave_the_comments_alone() -> None:
    text = with_values(GOOD, "m.yaml", {"model_uri": "model-version:4", "sha256": SHA})
    assert f"model_uri: model-version:4  # the best of March\nsha256: {SHA}\ntriton" in text
    assert with_values(text, "m.yaml", {"model_uri": "model-version:3", "sha256": None}) == GOOD
    flow = "{" + ", ".join(GOOD.replace("  # the best of March", "").splitlines()) + "}\n"
    with pytest.raises(InvalidInputError):
        with_values(flow, "m.yaml", {"model_uri": "model-version:4", "sha256": SHA})


def test_a_branch_is_held_against_where_it_began(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "checkout")
    repository.branch("late")
    repository.declare(instance_count="4")
    late = repository.commit("Four")
    repository._git("switch", "--quiet", "main")
    repository.declare(instance_count="5")
    repository.commit("Five")
    repository._git("switch", "--quiet", "late")
    assert text_at(repository.config, "main") == SHIPPED
    assert "instance_count: 4" in (text_at(repository.config, late) or "")
    assert text_at(repository.config, "0123456789abcdef") is None
    assert text_at(repository.config.with_name("none.yaml"), "main") is None
    with pytest.raises(InvalidInputError, match="names no commit"):
        text_at(repository.config, "--upload-pack=x")
