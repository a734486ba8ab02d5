from __future__ import annotations

import re
from pathlib import Path

import pytest

from backend.domain.identity import Role
from backend.domain.serving import Stage
from backend.errors import InvalidInputError, SetupError
from backend.settings import ROOT, Settings, load_settings

NAMES = {field.alias: field for field in Settings.model_fields.values()}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(str(name), raising=False)


def test_nothing_set_is_a_working_installation(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "no.env")
    assert settings.home == ROOT / ".digits"
    assert (settings.platform, settings.port, settings.role) == ("local", 8501, Role.APPROVER)
    assert settings.wandb_api_key is None


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = tmp_path / ".env"
    env.write_text("DIGITS_PORT=9000\nDIGITS_ROLE=viewer\nWANDB_API_KEY=\n")
    monkeypatch.setenv("DIGITS_PORT", "9001")
    settings = load_settings(env)
    assert (settings.port, settings.role, settings.wandb_api_key) == (9001, Role.VIEWER, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DIGITS_PORT", "http"),
        ("DIGITS_ROLE", "king"),
        ("DIGITS_PLATFORM", "mars"),
        ("DIGITS_MAX_PARALLEL_JOBS", "0"),
        ("WANDB_BASE_URL", "file:///etc/passwd"),
        ("AWS_ENDPOINT_URL", "ftp://elsewhere"),
        ("SM_ARN_ROLE", "digits-execution"),
        ("DIGITS_S3_BUCKET", "s3://digits"),
        ("DIGITS_TRITON_STAGING_URL", "https://triton:8000"),
        ("DIGITS_TRITON_STAGING_URL", "http://triton:8000/v2"),
        ("DIGITS_TRITON_PROD_URL", "triton:8000"),
        ("DIGITS_TRITON_PROD_URL", "http://ada@triton:8000"),
    ],
)
def test_a_bad_value_is_refused_by_name_and_not_repeated(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInputError) as refused:
        load_settings(tmp_path / "no.env")
    assert name in refused.value.message
    assert value not in refused.value.message


def test_each_stage_has_a_triton_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(tmp_path / "no.env").triton_url(Stage.PROD) == ""
    monkeypatch.setenv("DIGITS_TRITON_PROD_URL", "http://triton:8000")
    assert load_settings(tmp_path / "no.env").triton_url(Stage.PROD) == "http://triton:8000"
    monkeypatch.setenv("DIGITS_TRITON_STAGING_URL", "http://triton:8000")
    with pytest.raises(InvalidInputError, match=r"DIGITS_TRITON_PROD_URL.*of its own"):
        load_settings(tmp_path / "no.env")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_bytes(b"DIGITS_HOME=\xff\xfe")
    with pytest.raises(SetupError, match=r"\.env' cannot be read"):
        load_settings(env)


def test_a_secret_is_not_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    settings = load_settings(tmp_path / "no.env")
    assert "k" * 40 not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize("file", [".env.example", "README.md"])
def test_every_setting_is_documented(file: str) -> None:
    text = (ROOT / file).read_text()
    assert [name for name in NAMES if str(name) not in text] == []
    documented = set(re.findall(r"\b(?:DIGITS|WANDB|AWS|SM)_[A-Z0-9_]+", (ROOT / ".env.example").read_text()))
    assert documented == set(NAMES)
